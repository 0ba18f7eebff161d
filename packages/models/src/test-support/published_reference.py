"""Small networks of torchvision's, timm's and CLIP's forms in plain PyTorch, for published-weights.test.ts and open-clip.test.ts.

Written from the papers and the published names of the tensors; needs torch alone. Weights and pixels follow from their names and
places, so that only names, shapes and results are stored:

    python3 src/test-support/published_reference.py > src/test-support/published-reference.json
"""

import json
import math

import torch
import torch.nn.functional as F

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def noise(name, size):
    """Numbers in [-1, 1) that follow from a name: the fraction of a large sine."""
    seed = sum((i + 1) * ord(c) for i, c in enumerate(name)) % 997
    values = [math.sin(seed + 12.9898 * k) * 43758.5453 for k in range(size)]
    return [2 * (v - math.floor(v)) - 1 for v in values]


def tensor(name, shape):
    """A weight of ordinary size for what its name says it is."""
    drawn = torch.tensor(noise(name, math.prod(shape)), dtype=torch.float64).reshape(shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * drawn
    if len(shape) == 1:
        return (1 if name.endswith(".weight") else 0.5 if "gamma" in name else 0) + 0.2 * drawn
    fan_in = math.prod(shape[1:]) if name.endswith(".weight") else 4
    return drawn * math.sqrt(3 / fan_in)


class Weights:
    """Makes tensors as they are asked for and remembers their shapes."""

    def __init__(self):
        self.shapes = {}

    def __call__(self, name, *shape):
        self.shapes[name] = list(shape)
        return tensor(name, shape)


def image(batch, height, width):
    pixels = [0.5 + 0.5 * math.sin(0.7 * i) for i in range(batch * height * width * 3)]
    x = torch.tensor(pixels, dtype=torch.float64).reshape(batch, height, width, 3)
    x = (x - torch.tensor(MEAN, dtype=torch.float64)) / torch.tensor(DEVIATION, dtype=torch.float64)
    return x.permute(0, 3, 1, 2)


def batch_norm(w, name, x):
    k = x.shape[1]
    scale, shift, mean, variance = (w(f"{name}.{part}", k) for part in ("weight", "bias", "running_mean", "running_var"))
    w.shapes[f"{name}.num_batches_tracked"] = []
    return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=1e-5)


def residual_network(w, x, depths, bottleneck, width, inner, groups, classes):
    def conv(name, x, filters, size, stride=1, groups=1):
        return F.conv2d(x, w(f"{name}.weight", filters, x.shape[1] // groups, size, size), None, stride, size // 2, 1, groups)

    x = F.relu(batch_norm(w, "bn1", conv("conv1", x, width, 7, 2)))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, depth in enumerate(depths):
        narrow = width * 2**stage
        filters = 4 * narrow if bottleneck else narrow
        for block in range(depth):
            name = f"layer{stage + 1}.{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            if bottleneck:
                y = F.relu(batch_norm(w, f"{name}.bn1", conv(f"{name}.conv1", x, narrow * inner, 1)))
                y = F.relu(batch_norm(w, f"{name}.bn2", conv(f"{name}.conv2", y, narrow * inner, 3, stride, groups)))
                y = batch_norm(w, f"{name}.bn3", conv(f"{name}.conv3", y, filters, 1))
            else:
                y = F.relu(batch_norm(w, f"{name}.bn1", conv(f"{name}.conv1", x, filters, 3, stride)))
                y = batch_norm(w, f"{name}.bn2", conv(f"{name}.conv2", y, filters, 3))
            if stride != 1 or x.shape[1] != filters:
                x = batch_norm(w, f"{name}.downsample.1", conv(f"{name}.downsample.0", x, filters, 1, stride))
            x = F.relu(x + y)
    pooled = x.mean((2, 3))
    logits = F.linear(pooled, w("fc.weight", classes, pooled.shape[1]), w("fc.bias", classes))
    return {"logits": logits, "embedding": pooled, "featureMap": x.permute(0, 2, 3, 1)}


def linear(w, name, x, units):
    return F.linear(x, w(f"{name}.weight", units, x.shape[-1]), w(f"{name}.bias", units))


def layer_norm(w, name, x):
    width = x.shape[-1]
    return F.layer_norm(x, (width,), w(f"{name}.weight", width), w(f"{name}.bias", width), 1e-6)


def heads_of(x, heads):
    return x.reshape(x.shape[0], x.shape[1], heads, -1).permute(0, 2, 1, 3)


def attention(w, name, query, key, value, heads, talking):
    width = query.shape[-1]
    query, key, value = (heads_of(x, heads) for x in (query, key, value))
    scores = query @ key.transpose(-2, -1) * (width // heads) ** -0.5
    if talking:
        scores = linear(w, f"{name}.proj_l", scores.permute(0, 2, 3, 1), heads).permute(0, 3, 1, 2)
    shares = scores.softmax(-1)
    if talking:
        shares = linear(w, f"{name}.proj_w", shares.permute(0, 2, 3, 1), heads).permute(0, 3, 1, 2)
    x = (shares @ value).transpose(1, 2)
    return linear(w, f"{name}.proj", x.reshape(x.shape[0], x.shape[1], width), width)


def mlp(w, name, x):
    return linear(w, f"{name}.fc2", F.gelu(linear(w, f"{name}.fc1", x, 4 * x.shape[-1])), x.shape[-1])


def scaled(w, name, x, scale):
    return w(name, x.shape[-1]) * x if scale else x


def block(w, name, x, heads, talking, scale):
    qkv = linear(w, f"{name}.attn.qkv", layer_norm(w, f"{name}.norm1", x), 3 * x.shape[-1])
    x = x + scaled(w, f"{name}.gamma_1", attention(w, f"{name}.attn", *qkv.chunk(3, -1), heads, talking), scale)
    return x + scaled(w, f"{name}.gamma_2", mlp(w, f"{name}.mlp", layer_norm(w, f"{name}.norm2", x)), scale)


def class_block(w, name, token, patches, heads):
    width = token.shape[-1]
    u = layer_norm(w, f"{name}.norm1", torch.cat((token, patches), 1))
    query = linear(w, f"{name}.attn.q", u[:, :1], width)
    key, value = (linear(w, f"{name}.attn.{part}", u, width) for part in "kv")
    token = token + w(f"{name}.gamma_1", width) * attention(w, f"{name}.attn", query, key, value, heads, False)
    return token + w(f"{name}.gamma_2", width) * mlp(w, f"{name}.mlp", layer_norm(w, f"{name}.norm2", token))


def vision_transformer(w, x, form, width, depth, heads, patch, side, classes):
    x = F.conv2d(x, w("patch_embed.proj.weight", width, 3, patch, patch), w("patch_embed.proj.bias", width), patch)
    batch, grid = x.shape[0], x.shape[2:]
    x = x.flatten(2).transpose(1, 2)
    before = 1 if form == "deit" else 0
    token = w("cls_token", 1, 1, width).expand(batch, -1, -1)
    # Learned on a square grid, used on another one.
    positions = w("pos_embed", 1, before + side**2, width)
    of_grid = positions[:, before:].reshape(1, side, side, width).permute(0, 3, 1, 2)
    of_grid = F.interpolate(of_grid, size=grid, mode="bicubic", align_corners=False)
    positions = torch.cat((positions[:, :before], of_grid.permute(0, 2, 3, 1).flatten(1, 2)), 1)
    if form == "deit":
        x = torch.cat((token, x), 1) + positions
        for i in range(depth):
            x = block(w, f"blocks.{i}", x, heads, False, False)
    else:
        x = x + positions
        for i in range(depth):
            x = block(w, f"blocks.{i}", x, heads, True, True)
        for i in range(2):
            token = class_block(w, f"blocks_token_only.{i}", token, x, heads)
        x = torch.cat((token, x), 1)
    x = layer_norm(w, "norm", x)
    logits = linear(w, "head", x[:, 0], classes)
    return {"logits": logits, "embedding": x[:, 0], "featureMap": x[:, 1:].reshape(batch, *grid, width), "tokens": x}


def interpolated(positions, side, grid):
    """Learned for a class token and a square grid, used on another one: [1 + rows * columns, D]."""
    of_grid = positions[1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    of_grid = F.interpolate(of_grid, size=grid, mode="bicubic", align_corners=False)
    return torch.cat((positions[:1], of_grid[0].permute(1, 2, 0).flatten(0, 1)))


class OpenClipNames:
    """What open_clip calls its tensors, and how they lie."""

    image, text = "visual.transformer.resblocks", "transformer.resblocks"
    norms, hidden, output = ("ln_1", "ln_2"), "mlp.c_fc", "mlp.c_proj"
    patch, token, positions = "visual.conv1.weight", "visual.class_embedding", "visual.positional_embedding"
    before, after, words, places, last = "visual.ln_pre", "visual.ln_post", "token_embedding.weight", "positional_embedding", "ln_final"
    out = "attn.out_proj"

    @staticmethod
    def attention(w, name, width):
        return w(f"{name}.attn.in_proj_weight", 3 * width, width), w(f"{name}.attn.in_proj_bias", 3 * width)

    @staticmethod
    def project(w, x, units, tower):
        return x @ w("visual.proj" if tower == "image" else "text_projection", x.shape[-1], units)

    @staticmethod
    def buffers(w, places, patches):
        w.shapes["attn_mask"] = [places, places]


class HuggingFaceNames:
    """What Hugging Face calls its tensors, and how they lie."""

    image, text = "vision_model.encoder.layers", "text_model.encoder.layers"
    norms, hidden, output = ("layer_norm1", "layer_norm2"), "mlp.fc1", "mlp.fc2"
    patch, token = (f"vision_model.embeddings.{x}" for x in ("patch_embedding.weight", "class_embedding"))
    positions, before, after = "vision_model.embeddings.position_embedding.weight", "vision_model.pre_layrnorm", "vision_model.post_layernorm"
    words, places = (f"text_model.embeddings.{x}_embedding.weight" for x in ("token", "position"))
    last, out = "text_model.final_layer_norm", "self_attn.out_proj"

    @staticmethod
    def attention(w, name, width):
        parts = [f"{name}.self_attn.{part}_proj" for part in "qkv"]
        return torch.cat([w(f"{p}.weight", width, width) for p in parts]), torch.cat([w(f"{p}.bias", width) for p in parts])

    @staticmethod
    def project(w, x, units, tower):
        return F.linear(x, w("visual_projection.weight" if tower == "image" else "text_projection.weight", units, x.shape[-1]))

    @staticmethod
    def buffers(w, places, patches):
        w.shapes["vision_model.embeddings.position_ids"] = [1, patches]
        w.shapes["text_model.embeddings.position_ids"] = [1, places]


def clip_blocks(w, names, prefix, x, depth, heads, mask, activation):
    """x: [N, B, D], through the attention of torch itself."""
    width = x.shape[-1]

    def norm(name, x):
        return F.layer_norm(x, (width,), w(f"{name}.weight", width), w(f"{name}.bias", width), 1e-5)

    for i in range(depth):
        name = f"{prefix}.{i}"
        u = norm(f"{name}.{names.norms[0]}", x)
        kernel, bias = names.attention(w, name, width)
        out = w(f"{name}.{names.out}.weight", width, width), w(f"{name}.{names.out}.bias", width)
        y, _ = F.multi_head_attention_forward(
            u, u, u, width, heads, kernel, bias, None, None, False, 0.0, *out, training=False, need_weights=False, attn_mask=mask
        )
        x = x + y
        u = linear(w, f"{name}.{names.hidden}", norm(f"{name}.{names.norms[1]}", x), 4 * width)
        u = u * torch.sigmoid(1.702 * u) if activation == "quick-gelu" else F.gelu(u)
        x = x + linear(w, f"{name}.{names.output}", u, width)
    return x, norm


def clip(w, x, names, activation, width, depth, heads, patch, side, text, embedding, vocabulary, places, tokens):
    x = F.conv2d(x, w(names.patch, width, 3, patch, patch), None, patch)
    grid = x.shape[2:]
    x = x.flatten(2).permute(2, 0, 1)
    x = torch.cat((w(names.token, width).expand(1, x.shape[1], -1), x))
    x = x + interpolated(w(names.positions, 1 + side**2, width), side, grid).unsqueeze(1)
    x = F.layer_norm(x, (width,), w(f"{names.before}.weight", width), w(f"{names.before}.bias", width), 1e-5)
    x, norm = clip_blocks(w, names, names.image, x, depth, heads, None, activation)
    image = names.project(w, norm(names.after, x[0]), embedding, "image")

    ids = torch.tensor(tokens)
    count = ids.shape[1]
    y = F.embedding(ids, w(names.words, vocabulary, text["width"])) + w(names.places, places, text["width"])[:count]
    mask = torch.full((count, count), float("-inf"), dtype=torch.float64).triu(1)
    y, norm = clip_blocks(w, names, names.text, y.permute(1, 0, 2), text["depth"], text["heads"], mask, activation)
    ends = [row.index(vocabulary - 1) for row in tokens]
    y = torch.stack([norm(names.last, y)[end, i] for i, end in enumerate(ends)])
    names.buffers(w, places, 1 + side**2)
    return {
        "imageEmbedding": image,
        "textEmbedding": names.project(w, y, embedding, "text"),
        "logitScale": w("logit_scale").exp().reshape(1),
    }


def result(network, size, options):
    weights = Weights()
    outputs = network(weights, image(2, *size), **options)
    return {
        "imageShape": [*size, 3],
        "tensors": weights.shapes,
        # Whole if small, else every 17th number.
        "outputs": {name: [round(v, 7) for v in y.flatten()[:: 1 if y.numel() < 200 else 17].tolist()] for name, y in outputs.items()},
    }


CNN = {"depths": [2, 1], "width": 8, "classes": 5}
VIT = {"width": 12, "depth": 2, "heads": 3, "patch": 4, "classes": 5}
CLIP = {
    **{"width": 12, "depth": 2, "heads": 3, "patch": 4, "side": 4, "text": {"width": 8, "depth": 2, "heads": 2}},
    **{"embedding": 6, "vocabulary": 20, "places": 8, "tokens": [[18, 3, 7, 2, 19, 0], [18, 19, 19, 19, 5, 19], [18, 5, 5, 9, 1, 19]]},
}
NETWORKS = {
    "basic": (residual_network, (32, 24), {**CNN, "bottleneck": False, "inner": 1, "groups": 1}),
    "bottleneck": (residual_network, (32, 24), {**CNN, "bottleneck": True, "inner": 1, "groups": 1}),
    "resnext": (residual_network, (32, 24), {**CNN, "bottleneck": True, "inner": 2, "groups": 4}),
    "deit": (vision_transformer, (12, 20), {**VIT, "form": "deit", "side": 4}),
    "clip-open-clip": (clip, (12, 20), {**CLIP, "names": OpenClipNames, "activation": "quick-gelu"}),
    "clip-hugging-face": (clip, (12, 20), {**CLIP, "names": HuggingFaceNames, "activation": "gelu"}),
    "cait": (vision_transformer, (12, 20), {**VIT, "form": "cait", "side": 2}),
}

with torch.no_grad():
    print(json.dumps({name: result(*network) for name, network in NETWORKS.items()}))
