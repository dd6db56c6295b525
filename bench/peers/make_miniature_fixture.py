"""What diffusers makes of the shipped miniature in one step: test/fixtures/miniature-onestep.safetensors.

Opens models/twin-a with StableDiffusionPipeline.from_pretrained (it must not warn), encodes three captions,
and takes the one step from sigma_max to 0 by the formulas of v-prediction, guided 7.5, from torch's own noise.
Stored: the noise's seeds, the estimates D, and the decoded pictures in [-1, 1].
"""

import sys

sys.modules["torchvision"] = None

import pathlib

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

torch.set_num_threads(1)
root = pathlib.Path(__file__).parents[2]
pipe = StableDiffusionPipeline.from_pretrained(root / "models/twin-a")
captions = (root / "test/fixtures/miniature-captions.txt").read_text().splitlines()
seeds = list(range(len(captions)))
alpha_bar = pipe.scheduler.alphas_cumprod.double()[-1]
sigma = ((1 - alpha_bar) / alpha_bar).sqrt().item()
shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)


def states(caption):
    ids = pipe.tokenizer(
        caption, padding="max_length", truncation=True, max_length=pipe.tokenizer.model_max_length, return_tensors="pt"
    ).input_ids
    return pipe.text_encoder(ids).last_hidden_state


with torch.no_grad():
    estimates, pictures = [], []
    for caption, seed in zip(captions, seeds):
        x = sigma * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        scaled = x / (sigma**2 + 1) ** 0.5
        conditional, unconditional = (pipe.unet(scaled, 999, states(text)).sample for text in (caption, ""))
        v = unconditional + 7.5 * (conditional - unconditional)
        d = x / (sigma**2 + 1) - sigma / (sigma**2 + 1) ** 0.5 * v
        estimates.append(d[0])
        pictures.append(pipe.vae.decode(d / pipe.vae.config.scaling_factor).sample[0])
save_file(
    {"estimates": torch.stack(estimates).contiguous(), "pictures": torch.stack(pictures).contiguous()},
    root / "test/fixtures/miniature-onestep.safetensors",
    {"torch": torch.__version__},
)
