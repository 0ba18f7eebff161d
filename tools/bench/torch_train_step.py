#!/usr/bin/env python3
"""PyTorch's side of train-step.mjs: one arm, in a process of its own; prints a JSON line.

    /usr/bin/python3 torch_train_step.py MODEL THREADS BATCH SECONDS DATA

The networks of networks.mjs with parameters in the same order. DATA holds images [B, 32, 32, 3] and all parameters in tfjs's
layouts, float32. Needs Debian's python3-torch and libopenblas0-pthread.
"""
import json, math, os, resource, sys, time

MODEL, THREADS, BATCH, SECONDS, DATA = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
# OpenBLAS has threads of its own, which set_num_threads does not reach.
os.environ['OPENBLAS_NUM_THREADS'] = os.environ['OMP_NUM_THREADS'] = str(THREADS)

import torch
import torch.nn as nn
import torch.nn.functional as F


def convolution(i, o, size, stride=1, groups=1):
    return nn.Conv2d(i, o, size, stride, size // 2, groups=groups, bias=False)


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.c1, self.b1 = convolution(i, o, 3, stride), nn.BatchNorm2d(o)
        self.c2, self.b2 = convolution(o, o, 3), nn.BatchNorm2d(o)
        self.short = None if stride == 1 else nn.Sequential(convolution(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.b2(self.c2(F.relu(self.b1(self.c1(x)))))
        return F.relu(y + (x if self.short is None else self.short(x)))


class ResNet(nn.Module):
    def __init__(self, depth):
        super().__init__()
        blocks, i = [], 16
        self.stem, self.bn = convolution(3, 16, 3), nn.BatchNorm2d(16)
        for stage, o in enumerate((16, 32, 64)):
            for j in range((depth - 2) // 6):
                blocks.append(Block(i, o, 2 if stage and not j else 1))
                i = o
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.bn(self.stem(x)))).mean((2, 3)))


class InvertedResidual(nn.Module):
    def __init__(self, i, o, expansion, stride):
        super().__init__()
        wide, layers = i * expansion, []
        if expansion > 1:
            layers += [convolution(i, wide, 1), nn.BatchNorm2d(wide), nn.ReLU6()]
        layers += [convolution(wide, wide, 3, stride, wide), nn.BatchNorm2d(wide), nn.ReLU6()]
        self.layers, self.same = nn.Sequential(*layers, convolution(wide, o, 1), nn.BatchNorm2d(o)), stride == 1 and i == o

    def forward(self, x):
        return x + self.layers(x) if self.same else self.layers(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 1), (6, 320, 1, 1))
        layers, i = [convolution(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU6()], 32
        for expansion, o, blocks, stride in stages:
            for j in range(blocks):
                layers.append(InvertedResidual(i, o, expansion, 1 if j else stride))
                i = o
        self.features = nn.Sequential(*layers, convolution(i, 1280, 1), nn.BatchNorm2d(1280), nn.ReLU6())
        self.fc = nn.Linear(1280, 10)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


class Transformer(nn.Module):
    """A pre-norm block."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.n1, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.n2, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        B, N, D = x.shape
        q, k, v = self.qkv(self.n1(x)).view(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(D // self.heads))
        x = x + self.out((F.softmax(scores, -1) @ v).transpose(1, 2).reshape(B, N, D))
        return x + self.down(F.gelu(self.up(self.n2(x))))


class VisionTransformer(nn.Module):
    def __init__(self, width=192, heads=3, blocks=6):
        super().__init__()
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 65, width))
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.blocks = nn.Sequential(*(Transformer(width, heads) for _ in range(blocks)))
        self.norm, self.fc = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        patches = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), patches], 1) + self.positions
        return self.fc(self.norm(self.blocks(x))[:, 0])


def load(model, numbers):
    """Gives the parameters tfjs's numbers: kernels [H, W, I, O], depthwise [H, W, C, 1], dense [I, O]."""
    at = 0
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            values, shape = numbers[at:at + parameter.numel()], parameter.shape
            at += parameter.numel()
            if isinstance(module, nn.Conv2d) and parameter.dim() == 4:
                o, i, h, w = shape
                values = values.view(h, w, o, i).permute(2, 3, 0, 1) if module.groups > 1 else values.view(h, w, i, o).permute(3, 2, 0, 1)
            elif isinstance(module, nn.Linear) and parameter.dim() == 2:
                values = values.view(shape[1], shape[0]).t()
            parameter.data.copy_(values.reshape(shape))
    assert at == len(numbers), f'{DATA} has {len(numbers)} parameters, {MODEL} takes {at}'
    return at


def libraries():
    """What really computes: the matrix library that is mapped, oneDNN and the instruction set."""
    maps = open('/proc/self/maps').read()
    blas = next((name for name in ('openblas', 'mkl', 'blis') if name in maps), 'reference BLAS')
    return f"PyTorch {torch.__version__}, {blas}{', oneDNN' if torch.backends.mkldnn.is_available() else ''}"


def main():
    torch.set_num_threads(THREADS)
    numbers = torch.from_file(DATA, size=os.path.getsize(DATA) // 4)
    pixels = BATCH * 32 * 32 * 3
    model = {'resnet-8': lambda: ResNet(8), 'resnet-20': lambda: ResNet(20), 'mobilenet-v2': MobileNetV2, 'vit': VisionTransformer}[MODEL]()
    model.train()
    parameters = load(model, numbers[pixels:])
    x = numbers[:pixels].view(BATCH, 32, 32, 3).permute(0, 3, 1, 2).contiguous()
    y = torch.arange(BATCH) % 10
    optimizer = torch.optim.SGD(model.parameters(), 0.001, 0.9)
    losses = []

    def step():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        return (time.perf_counter() - start) * 1e3

    for _ in range(3):
        step()
    timed, begun = [], time.perf_counter()
    while len(timed) < 3 or time.perf_counter() - begun < SECONDS:
        timed.append(step())
    print(json.dumps({
        'milliseconds': sorted(timed)[len(timed) // 2], 'steps': len(timed), 'losses': losses[:4], 'parameters': parameters,
        'peakMegabytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 'libraries': libraries(),
    }))


main()
