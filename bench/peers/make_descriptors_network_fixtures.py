"""Golden exports of descriptor networks: src/descriptors/fixtures/*.onnx and networks.json.

Networks with random weights that are built like those of the ready descriptions (src/descriptors/networks.ts), a few
values wide: SSCD, CLIP's vision tower, DINO, DINOv2, Swin. What PyTorch makes of some pictures, resized by Pillow, cut,
normalised and pooled as torchvision, transformers and the papers do, is what ours must make of them. Pillow from 13 on
may resize columns before rows; the order of all versions before is forced, as in make_images_fixtures.py.

    bench/peers/.venv/bin/python bench/peers/make_descriptors_network_fixtures.py
"""

import json
import pathlib
import warnings

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "src/descriptors/fixtures"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
# Upright, lying, larger and smaller than what the networks take, and with an odd number of rows to cut off.
SIZES = [(301, 233), (90, 211), (47, 47), (640, 251)]


def picture(width, height):
    """A formula instead of a file: waves that grow finer, different in each channel. The test knows it too."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return Image.fromarray((((3 * x * x + 5 * y * y + (c + 1) * x * y) >> 6) & 255).astype(np.uint8))


def resized(image, size, code):
    return image.resize((size[0], image.height), code).resize(size, code)


def processed(image, size, shorter, code, mean, std):
    """The shorter side resized, the middle cut out, values in [0, 1] normalised: [3, size, size]."""
    width, height = image.size
    scaled = (shorter, int(shorter * height / width)) if width <= height else (int(shorter * width / height), shorter)
    image = resized(image, scaled, code)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = torch.from_numpy(np.asarray(image.crop((left, top, left + size, top + size))).copy())
    return (pixels.permute(2, 0, 1) / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


class Sscd(nn.Module):
    """Trunk, generalised mean with exponent 3, linear layer, length 1."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 7, 4, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU()
        )
        self.embeddings = nn.Linear(12, 16)

    def forward(self, x):
        maps = self.trunk(x)
        pooled = maps.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
        return F.normalize(self.embeddings(pooled))


class Trunk(nn.Module):
    """The same without what comes after the maps: that is for the description to say."""

    def __init__(self):
        super().__init__()
        self.trunk = Sscd().trunk

    def forward(self, x):
        return self.trunk(x)


class Block(nn.Module):
    """One layer of a transformer, attention first, both parts on normalised tokens."""

    def __init__(self, width, heads=2):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.heads = heads

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        weights = (q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(batch, tokens, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Vit(nn.Module):
    """Class token and patches. With `projection` CLIP's image_embeds come first, else last_hidden_state."""

    def __init__(self, patch, width, projection=None):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, (224 // patch) ** 2 + 1, width) * 0.5)
        self.block, self.norm = Block(width), nn.LayerNorm(width)
        self.projection = nn.Linear(width, projection, bias=False) if projection else None

    def forward(self, x):
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1) + self.positions
        states = self.block(tokens)
        if self.projection:
            return self.projection(self.norm(states[:, 0])), states
        states = self.norm(states)
        return states, states[:, 0]


class Swin(nn.Module):
    """Patches of 4 pixels that are merged two by two until 7 × 7 are left; no class token."""

    def __init__(self):
        super().__init__()
        widths = (3, 6, 8, 10, 12)
        self.merges = nn.ModuleList(nn.Conv2d(a, b, s, s) for a, b, s in zip(widths, widths[1:], (4, 2, 2, 2)))
        self.block, self.norm = Block(12), nn.LayerNorm(12)

    def forward(self, x):
        for merge in self.merges:
            x = F.gelu(merge(x))
        states = self.norm(self.block(x.flatten(2).transpose(1, 2)))
        return states, states.mean(1)


def gem(maps, power):
    return maps.clamp(min=1e-6).pow(power).mean(dim=(2, 3)).pow(1 / power)


BILINEAR, BICUBIC = Image.BILINEAR, Image.BICUBIC
# Network, outputs, (size, shorter side, filter, mean and std), and what is made of the first output.
CASES = {
    "sscd": (Sscd, ["embeddings"], (288, 288, BILINEAR, *IMAGENET), lambda y: y[:, None]),
    "clip-vit-b-32": (lambda: Vit(32, 12, 16), ["image_embeds", "last_hidden_state"], (224, 224, BICUBIC, *CLIP), lambda y: y[:, None]),
    "dino-vit-b-16": (lambda: Vit(16, 12), ["last_hidden_state", "pooler_output"], (224, 256, BICUBIC, *IMAGENET), lambda y: y[:, 1:]),
    "dinov2": (lambda: Vit(14, 12), ["last_hidden_state", "pooler_output"], (224, 256, BICUBIC, *IMAGENET), lambda y: y[:, :1]),
    "swin": (Swin, ["last_hidden_state", "pooler_output"], (224, 256, BICUBIC, *IMAGENET), lambda y: y.mean(1, keepdim=True)),
    "trunk": (Trunk, ["maps"], (96, 112, BILINEAR, *IMAGENET), lambda y: gem(y, 2.5)[:, None]),
}


def main():
    cases = []
    for i, (name, (make, outputs, how, pool)) in enumerate(CASES.items()):
        torch.manual_seed(i)
        network = make().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                # Larger than as initialised, so that every part counts in the result.
                if parameter.dim() > 1:
                    parameter.mul_(1.5)
            images = torch.stack([processed(picture(*size), *how) for size in SIZES])
            result = network(images)
            chunks = F.normalize(pool(result if isinstance(result, torch.Tensor) else result[0]), dim=-1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (images[:2],),
                FOLDER / f"{name}.onnx",
                input_names=["pixel_values"],
                output_names=outputs,
                dynamic_axes={port: {0: "batch_size"} for port in ["pixel_values", *outputs]},
                opset_version=17,
                dynamo=False,
            )
        cases.append(dict(name=name, chunks=chunks.shape[1], rows=[[round(v, 6) for v in row.flatten().tolist()] for row in chunks]))
    golden = dict(torch=torch.__version__.split("+")[0], sizes=SIZES, cases=cases)
    (FOLDER / "networks.json").write_text(json.dumps(golden) + "\n")


main()
