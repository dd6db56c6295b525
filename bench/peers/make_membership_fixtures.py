"""Golden files for membership inference: the denoising losses of small UNets by diffusers, and likelihood-ratio scores by numpy.

Run from the repository's root: bench/peers/.venv/bin/python bench/peers/make_membership_fixtures.py
Reads src/models/fixtures/{ddpm,classes} (make_unet2d_fixtures.py), writes src/attacks/fixtures/membership.json.
"""

import json
import sys
from pathlib import Path

sys.modules["torchvision"] = None  # Not needed here, and a build of it for another torch breaks imports.

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2] / "src"
TIMESTEPS, DRAWS, PICTURES = [20, 100, 700], 3, 2


@torch.no_grad()
def losses(variant, label):
    folder = ROOT / "models" / "fixtures" / variant
    unet = UNet2DModel.from_pretrained(folder, subfolder="unet").float().eval()
    scheduler = (DDIMScheduler if variant == "classes" else DDPMScheduler).from_pretrained(folder, subfolder="scheduler")
    pictures = np.random.default_rng(5).integers(0, 256, (PICTURES, 8, 8, 3), dtype=np.uint8)
    clean = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    found = []
    for picture in clean:
        for t in TIMESTEPS:
            for side in (picture, picture.flip(-1)):
                for seed in range(DRAWS):
                    noise = torch.randn((3, 8, 8), generator=torch.Generator().manual_seed(seed))[None]
                    step = torch.tensor([t])
                    x = scheduler.add_noise(side[None], noise, step)
                    out = unet(x, step, *([] if label is None else [torch.tensor([label])])).sample
                    if scheduler.config.prediction_type == "v_prediction":
                        alpha = scheduler.alphas_cumprod[t]
                        # eps from v: x_t = sqrt(a) x0 + sqrt(1 - a) eps, v = sqrt(a) eps - sqrt(1 - a) x0.
                        out = alpha.sqrt() * out + (1 - alpha).sqrt() * x
                    found.append(torch.nn.functional.mse_loss(out, noise).item())
    return {"variant": variant, "caption": "" if label is None else str(label), "pictures": pictures.reshape(PICTURES, -1).tolist(), "losses": found}


def lira(kind, shadows):
    """Likelihood-ratio scores, written from the formulas of Carlini et al. 2022."""
    rng = np.random.default_rng(11)
    pictures = 12
    inside = rng.random((shadows, pictures)) < 0.5
    # Nothing to say of these two: in all, in none.
    inside[:, 0], inside[:, 1] = True, False
    level = rng.normal(0, 2, pictures)
    statistics = level + 0.6 * inside + rng.normal(0, 0.4, (shadows, pictures))
    target = level + 0.6 * (rng.random(pictures) < 0.5) + rng.normal(0, 0.4, pictures)

    def normal(value, mean, deviation):
        return -0.5 * ((value - mean) / deviation) ** 2 - np.log(deviation * np.sqrt(2 * np.pi))

    sides = {}
    for side, chosen in (("in", inside), ("out", ~inside)):
        columns = [statistics[chosen[:, j], j] for j in range(pictures)]
        if kind == "fixed":
            squares = sum(((c - c.mean()) ** 2).sum() for c in columns if len(c) > 1)
            freedom = sum(len(c) - 1 for c in columns if len(c) > 1)
            deviations = [np.sqrt(squares / freedom)] * pictures
        else:
            deviations = [c.std(ddof=1) if len(c) > 1 else np.nan for c in columns]
        means = [c.mean() if len(c) else np.nan for c in columns]
        sides[side] = (np.array(means), np.array(deviations))
    online = normal(target, *sides["in"]) - normal(target, *sides["out"])
    offline = (target - sides["out"][0]) / sides["out"][1]

    def clean(values):
        return [float(value) if np.isfinite(value) else None for value in values]

    return {
        "variance": kind, "target": target.tolist(), "statistics": statistics.tolist(), "inside": inside.tolist(),
        "online": clean(online), "offline": clean(offline),
    }


goldens = {
    "timesteps": TIMESTEPS,
    "draws": DRAWS,
    "losses": [losses("ddpm", None), losses("classes", 2)],
    "lira": [lira("fixed", 7), lira("per-picture", 70)],
}
path = ROOT / "attacks" / "fixtures" / "membership.json"
path.write_text(json.dumps(goldens) + "\n")
