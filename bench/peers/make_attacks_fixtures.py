"""Golden files for src/attacks: the edge consistency score, from pictures on, as the reference of Webster 2023
computes it with Pillow and scipy. Run: .venv/bin/python make_attacks_fixtures.py
"""

import base64
import json
from pathlib import Path

import numpy as np
import PIL
import scipy
from PIL import Image
from scipy import ndimage

OUT = Path(__file__).resolve().parents[2] / "src/attacks/fixtures"


def edges(picture, threshold):
    resized = Image.fromarray(picture).resize((256, 256), Image.Resampling.LANCZOS)
    values = np.asarray(resized).astype(np.float64) / 255
    # Along axes 0 and 1 of the H×W×3 array: scipy's Sobel smooths along all other axes, the channels too.
    magnitude = np.hypot(ndimage.sobel(values, axis=0), ndimage.sobel(values, axis=1))
    return magnitude.sum(-1) > threshold


def score(pictures, threshold=1.5):
    votes = np.stack([edges(picture, threshold) for picture in pictures]).mean(0)
    return float((votes > 0.5).mean())


def main():
    rng = np.random.default_rng(4)
    cases = []
    for width, height, common, own, seeds, threshold in [
        (24, 24, 1.0, 0.0, 4, 1.5),
        (24, 20, 0.7, 0.3, 4, 1.5),
        (20, 28, 0.3, 0.7, 4, 1.5),
        (32, 32, 0.0, 1.0, 4, 1.5),
        (24, 24, 0.6, 0.4, 3, 0.5),
        (24, 24, 0.6, 0.4, 2, 1.5),
        (40, 40, 0.5, 0.5, 1, 4.0),
    ]:
        smooth = lambda: ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (1, 1, 0)) * 3
        base = smooth()
        pictures = [
            np.clip((common * base + own * smooth()) * 110 + 128, 0, 255).astype(np.uint8) for _ in range(seeds)
        ]
        cases.append(
            {
                "width": width, "height": height, "threshold": threshold,
                "pictures": [base64.b64encode(picture.tobytes()).decode() for picture in pictures],
                "score": score(pictures, threshold),
            }
        )
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "ecs.json"
    path.write_text(json.dumps({"versions": {"pillow": PIL.__version__, "scipy": scipy.__version__}, "cases": cases}) + "\n")
    print(path, path.stat().st_size, "bytes", [round(case["score"], 4) for case in cases])


main()
