"""Golden file for src/diffusion/pipeline.ts: what diffusers' StableDiffusionPipeline makes of src/models/fixtures/sd1, in one
step and in four Heun steps of k-diffusion, and its DCS as the reference of Webster 2023 computes it.

Run: .venv/bin/python make_pipeline_fixtures.py (after make_model_fixtures.py)
"""

import importlib
import json
import sys
from pathlib import Path

sys.modules["torchvision"] = None  # Not needed; a build for another torch breaks the import of transformers.

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from k_diffusion_alone import external, sampling

torch.set_num_threads(1)
SRC = Path(__file__).resolve().parents[2] / "src"
CAPTIONS, SEEDS, GUIDANCE, STEPS = ["a red bicycle", "Sunflowers, poster 50x70"], [0, 3], 7.5, 4


def short(tensor):
    return [float(f"{v:.8g}") for v in np.asarray(tensor, dtype=np.float64).ravel()]


@torch.no_grad()
def main():
    pipe = StableDiffusionPipeline.from_pretrained(SRC / "models/fixtures/sd1", torch_dtype=torch.float32)
    alphas = torch.from_numpy(np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)).float()
    cond, uncond = pipe.encode_prompt(CAPTIONS, "cpu", 1, True, negative_prompt=[""] * 2)
    size, channels = pipe.unet.config.sample_size, pipe.unet.config.in_channels
    noise = torch.stack([torch.randn(channels, size, size, generator=torch.Generator().manual_seed(s)) for s in SEEDS])

    class Inner(torch.nn.Module):
        alphas_cumprod = alphas

        def apply_model(self, x, t, cond):
            return pipe.unet(x, t, cond).sample

    def picture(latents):
        decoded = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
        values = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        return [np.round(p * 255).astype(np.uint8).ravel().tolist() for p in values]

    runs = {}
    for kind, wrap in [("epsilon", external.CompVisDenoiser), ("v_prediction", external.CompVisVDenoiser)]:
        denoiser = wrap(Inner())

        def model(x, sigma):
            low, high = denoiser(torch.cat([x, x]), torch.cat([sigma, sigma]), cond=torch.cat([uncond, cond])).chunk(2)
            return low + (high - low) * GUIDANCE

        x = noise * denoiser.sigma_max
        one = model(x, denoiser.sigma_max.expand(2))
        heun = sampling.sample_heun(model, x, denoiser.get_sigmas(STEPS), disable=True)
        shared = noise[:1].expand_as(noise) * denoiser.sigma_max  # the reference: seed 0 for every caption
        dcs = (shared - model(shared, denoiser.sigma_max.expand(2))).pow(2).flatten(1).mean(1)
        runs[kind] = {
            "oneStep": short(one), "pictures": picture(one), "heun": short(heun), "heunPictures": picture(heun), "dcs": short(dcs),
        }

    rng = np.random.default_rng(1)
    side = size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    rgb = rng.integers(0, 256, size=(side, side, 3), dtype=np.uint8)
    sample = torch.from_numpy(rgb.astype(np.float32) / 255 * 2 - 1).permute(2, 0, 1)[None]
    encoded = pipe.vae.encode(sample).latent_dist.mean * pipe.vae.config.scaling_factor
    fixture = {
        "captions": CAPTIONS, "seeds": SEEDS, "guidance": GUIDANCE, "steps": STEPS, "side": side, "runs": runs,
        "picture": rgb.ravel().tolist(), "encoded": short(encoded),
    }
    path = SRC / "diffusion/fixtures/pipeline.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes", {k: v["dcs"] for k, v in runs.items()})


main()
