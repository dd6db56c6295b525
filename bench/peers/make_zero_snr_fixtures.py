"""Golden file for schedules of zero terminal SNR (Lin et al. 2023): what diffusers' StableDiffusionPipeline makes of
src/models/fixtures/sd1 as a v-prediction model with rescale_betas_zero_snr, in one step (Euler and DDIM) and in 16 Euler
steps, and the noise levels of that schedule.

Run: .venv/bin/python make_zero_snr_fixtures.py (after make_model_fixtures.py)
"""

import json
import sys
from pathlib import Path

sys.modules["torchvision"] = None  # Not needed; a build for another torch breaks the import of transformers.

import numpy as np
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionPipeline

torch.set_num_threads(1)
SRC = Path(__file__).resolve().parents[2] / "src"
CAPTIONS, SEEDS, GUIDANCE, STEPS = ["a red bicycle", "Sunflowers, poster 50x70"], [0, 3], 7.5, 16
CONFIG = dict(
    beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
    prediction_type="v_prediction", rescale_betas_zero_snr=True,
)
AT = [0, 1, 250, 500, 750, 900, 990, 998, 999]


def short(tensor):
    return [float(f"{v:.8g}") for v in np.asarray(tensor, dtype=np.float64).ravel()]


@torch.no_grad()
def main():
    pipe = StableDiffusionPipeline.from_pretrained(SRC / "models/fixtures/sd1", torch_dtype=torch.float32)
    size, channels = pipe.unet.config.sample_size, pipe.unet.config.in_channels
    noise = torch.stack([torch.randn(channels, size, size, generator=torch.Generator().manual_seed(s)) for s in SEEDS])

    def run(scheduler, steps):
        pipe.scheduler = scheduler
        return short(pipe(
            CAPTIONS, latents=noise.clone(), num_inference_steps=steps, guidance_scale=GUIDANCE, output_type="latent",
        ).images)

    # 'trailing' and 'linspace' both begin at the last timestep; one step of 'linspace' would be t = 0.
    trailing = EulerDiscreteScheduler(**CONFIG, timestep_spacing="trailing")
    fixture = {
        "config": CONFIG, "captions": CAPTIONS, "seeds": SEEDS, "guidance": GUIDANCE, "steps": STEPS,
        "at": AT, "alphasCumprod": short(trailing.alphas_cumprod[AT]),
        "oneStep": run(trailing, 1),
        "oneStepDdim": run(DDIMScheduler(**CONFIG, clip_sample=False, timestep_spacing="trailing"), 1),
        "euler": run(EulerDiscreteScheduler(**CONFIG, timestep_spacing="linspace"), STEPS),
    }
    path = SRC / "diffusion/fixtures/zero-snr.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes", fixture["alphasCumprod"])


main()
