"""Small networks of torchvision's and timm's forms in plain PyTorch, for published-weights.test.ts.

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
NETWORKS = {
    "basic": (residual_network, (32, 24), {**CNN, "bottleneck": False, "inner": 1, "groups": 1}),
    "bottleneck": (residual_network, (32, 24), {**CNN, "bottleneck": True, "inner": 1, "groups": 1}),
    "resnext": (residual_network, (32, 24), {**CNN, "bottleneck": True, "inner": 2, "groups": 4}),
    "deit": (vision_transformer, (12, 20), {**VIT, "form": "deit", "side": 4}),
    "cait": (vision_transformer, (12, 20), {**VIT, "form": "cait", "side": 2}),
}

with torch.no_grad():
    print(json.dumps({name: result(*network) for name, network in NETWORKS.items()}))
