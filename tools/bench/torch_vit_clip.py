#!/usr/bin/env python3
"""PyTorch's side of vit-clip.mjs: one arm, in a process of its own; prints a JSON line.

    /usr/bin/python3 torch_vit_clip.py TASK THREADS SECONDS FOLDER

FOLDER is what vit-clip-arm.mjs reads; weights are in tfjs's layouts and come in the order of the modules here. Plain modules, eager.
Needs Debian's python3-torch and libopenblas0-openmp, which LD_LIBRARY_PATH selects: its threads are PyTorch's own.
"""
import json, math, os, resource, sys, time

TASK, THREADS, SECONDS, FOLDER = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
# For an OpenBLAS with threads of its own, which set_num_threads does not reach.
os.environ['OPENBLAS_NUM_THREADS'] = os.environ['OMP_NUM_THREADS'] = str(THREADS)

import torch
import torch.nn as nn
import torch.nn.functional as F


class Learned(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(*shape))


class Attention(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        B, N, D = x.shape
        q, k, v = self.qkv(x).view(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        scores = q * (1 / math.sqrt(D // self.heads)) @ k.transpose(-1, -2)
        if self.causal:
            scores = scores + torch.full((N, N), -math.inf).triu(1)
        return self.out((F.softmax(scores, -1) @ v).transpose(1, 2).reshape(B, N, D))


class QuickGelu(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """Pre-norm."""

    def __init__(self, width, heads, activation, epsilon, causal=False):
        super().__init__()
        self.n1, self.attention = nn.LayerNorm(width, epsilon), Attention(width, heads, causal)
        self.n2, self.up, self.down = nn.LayerNorm(width, epsilon), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.activation = activation()

    def forward(self, x):
        x = x + self.attention(self.n1(x))
        return x + self.down(self.activation(self.up(self.n2(x))))


class ImageEncoder(nn.Module):
    """DeiT, or CLIP's, which has a norm before the blocks as well and a projection without a bias at the end."""

    def __init__(self, size, patch, width, depth, heads, outputs, mean, deviation, clip):
        super().__init__()
        self.mean, self.deviation = torch.tensor(mean).view(3, 1, 1), torch.tensor(deviation).view(3, 1, 1)
        activation, epsilon = (QuickGelu, 1e-5) if clip else (nn.GELU, 1e-6)
        self.patches = nn.Conv2d(3, width, patch, patch, bias=not clip)
        self.token, self.positions = Learned(width), Learned((size // patch) ** 2 + 1, width)
        self.before = nn.LayerNorm(width, epsilon) if clip else nn.Identity()
        self.blocks = nn.Sequential(*(Block(width, heads, activation, epsilon) for _ in range(depth)))
        self.after, self.head = nn.LayerNorm(width, epsilon), nn.Linear(width, outputs, bias=not clip)

    def forward(self, x):
        patches = self.patches((x - self.mean) / self.deviation).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.value.expand(len(x), 1, -1), patches], 1) + self.positions.value
        return self.head(self.after(self.blocks(self.before(x))[:, 0]))


class TextEncoder(nn.Module):
    def __init__(self, vocabulary=49408, context=77, width=512, depth=12, heads=8, outputs=512):
        super().__init__()
        self.end = vocabulary - 1
        self.tokens, self.positions = nn.Embedding(vocabulary, width), Learned(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads, QuickGelu, 1e-5, causal=True) for _ in range(depth)))
        self.after, self.head = nn.LayerNorm(width, 1e-5), nn.Linear(width, outputs, bias=False)

    def forward(self, ids):
        x = self.after(self.blocks(self.tokens(ids) + self.positions.value))
        return self.head(x[torch.arange(len(x)), (ids == self.end).int().argmax(1)])


def networks():
    return {
        'vit-step': lambda: ImageEncoder(64, 8, 192, 12, 3, 10, [0.5] * 3, [0.25] * 3, clip=False),
        'clip-images': lambda: ImageEncoder(224, 32, 768, 12, 12, 512, [0.48145466, 0.4578275, 0.40821073],
                                            [0.26862954, 0.26130258, 0.27577711], clip=True),
        'clip-texts': TextEncoder,
    }


def load(model):
    """Gives the parameters tfjs's numbers: kernels [H, W, I, O], dense [I, O]."""
    count = 0
    with open(os.path.join(FOLDER, 'weights.bin'), 'rb') as file:
        for module in model.modules():
            for parameter in module.parameters(recurse=False):
                numbers = bytearray(4 * parameter.numel())
                assert file.readinto(numbers) == len(numbers), f'{TASK}: weights.bin is too short'
                values, shape = torch.frombuffer(numbers, dtype=torch.float32), parameter.shape
                if isinstance(module, nn.Conv2d) and parameter.dim() == 4:
                    o, i, h, w = shape
                    values = values.view(h, w, i, o).permute(3, 2, 0, 1)
                elif isinstance(module, nn.Linear) and parameter.dim() == 2:
                    values = values.view(shape[1], shape[0]).t()
                parameter.data.copy_(values.reshape(shape))
                count += parameter.numel()
        assert not file.read(1), f'{TASK}: weights.bin is too long'
    return count


def read_input(batch):
    """Of a batch in tfjs's layout."""
    numbers = bytearray(open(os.path.join(FOLDER, 'input.bin'), 'rb').read())
    if TASK == 'clip-texts':
        return torch.frombuffer(numbers, dtype=torch.int32).view(batch, -1)
    pixels = torch.frombuffer(numbers, dtype=torch.float32)
    size = math.isqrt(len(pixels) // (3 * batch))
    return pixels.view(batch, size, size, 3).permute(0, 3, 1, 2).contiguous()


def training_step(model, x, hyper):
    kernels = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{'params': kernels, 'weight_decay': hyper['weightDecay']}, {'params': others, 'weight_decay': 0}],
        hyper['learningRate'], (hyper['beta1'], hyper['beta2']), hyper['epsilon'])
    y = torch.arange(len(x)) % 10
    model.train()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return [loss.item()]
    return step


def inference(model, x):
    model.eval()

    @torch.inference_mode()
    def step():
        return model(x).flatten().tolist()
    return step


def libraries():
    """What really computes: the matrix library that is mapped, oneDNN."""
    maps = open('/proc/self/maps').read()
    blas = next((name for name in ('openblas-openmp', 'openblas', 'mkl', 'blis') if name in maps), 'reference BLAS')
    return f"PyTorch {torch.__version__}, {blas}{', oneDNN' if torch.backends.mkldnn.is_available() else ''}"


def main():
    torch.set_num_threads(THREADS)
    settings = json.load(open(os.path.join(FOLDER, 'settings.json')))
    model = networks()[TASK]()
    parameters = load(model)
    x = read_input(settings['batch'])
    step = training_step(model, x, settings['hyperparameters']) if TASK == 'vit-step' else inference(model, x)

    def run():
        start = time.perf_counter()
        numbers = step()
        return (time.perf_counter() - start) * 1e3, numbers

    results = [run()[1] for _ in range(3)]
    timed, begun = [], time.perf_counter()
    while len(timed) < 3 or time.perf_counter() - begun < SECONDS:
        timed.append(run()[0])
    pages = int(open('/proc/self/statm').read().split()[1])
    print(json.dumps({
        'milliseconds': sorted(timed)[len(timed) // 2], 'steps': len(timed),
        'check': [loss for [loss] in results] if TASK == 'vit-step' else results[0], 'parameters': parameters,
        'peakMegabytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        'megabytes': pages * resource.getpagesize() / 2**20, 'libraries': libraries(),
    }))


main()
