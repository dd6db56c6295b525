"""Golden values for src/labels: the reference rule's sum, by Pillow and numpy.

Run in bench/peers/.venv from the repository's root: python bench/peers/make_labels_fixtures.py
"""

import base64
import json
import pathlib

import numpy as np
from PIL import Image

OUT = pathlib.Path("src/labels/fixtures/reference.json")


def smooth(rng, width, height):
    """A picture with soft structure: a few random waves per channel, plus a little noise."""
    y, x = np.mgrid[0:height, 0:width]
    channels = []
    for _ in range(3):
        field = np.zeros((height, width))
        for _ in range(4):
            fx, fy, phase = rng.uniform(0, 0.4, 2).tolist() + [rng.uniform(0, 6.28)]
            field += rng.uniform(0.3, 1) * np.sin(fx * x + fy * y + phase)
        channels.append(field)
    values = np.stack(channels, -1)
    values = (values - values.min()) / np.ptp(values) * 255 + rng.normal(0, 4, values.shape)
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def reference_view(array):
    return np.asarray(Image.fromarray(array).resize((256, 256), Image.BICUBIC), dtype=np.float64) / 255


def packed(array):
    return {
        "width": array.shape[1],
        "height": array.shape[0],
        "rgb": base64.b64encode(array.tobytes()).decode(),
    }


def main():
    rng = np.random.default_rng(7)
    # No picture that shrinks in height more than in width: there Pillow 13 resizes the columns first, where
    # the Pillow of the reference code (2023), like ours, always does the rows first (± 2 levels).
    pairs = []
    for (wa, ha), (wb, hb) in [((24, 24), (24, 24)), ((24, 20), (31, 17)), ((256, 40), (24, 24)), ((300, 40), (32, 32))]:
        a, b = smooth(rng, wa, ha), smooth(rng, wb, hb)
        pairs.append((a, b))
    near = pairs[0][0].astype(int) + rng.integers(-20, 21, pairs[0][0].shape)
    pairs.append((pairs[0][0], np.clip(near, 0, 255).astype(np.uint8)))
    rows = [
        {"a": packed(a), "b": packed(b), "sum": float(((reference_view(a) - reference_view(b)) ** 2).sum())}
        for a, b in pairs
    ]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"pairs": rows}) + "\n")


if __name__ == "__main__":
    main()
