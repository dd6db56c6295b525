"""Golden values for src/labels: the reference rule's distance to a template under its mask, by Pillow and numpy.

Run in bench/peers/.venv from the repository's root: python bench/peers/make_templates_fixtures.py
"""

import json
import pathlib

import numpy as np
from make_labels_fixtures import packed, reference_view, smooth
from PIL import Image

OUT = pathlib.Path("src/labels/fixtures/templates.json")


def mask_of(rng, width, height):
    """1 outside a box and a disc, as a family's mask is: what varies is left out."""
    y, x = np.mgrid[0:height, 0:width]
    left, top = rng.integers(0, width // 2), rng.integers(0, height // 2)
    box = (x >= left) & (x < left + width // 3) & (y >= top) & (y < top + height // 3)
    disc = (x - width * 0.7) ** 2 + (y - height * 0.7) ** 2 < (min(width, height) / 5) ** 2
    return (~(box | disc)).astype(np.uint8)


def distance(template, picture, mask):
    """sum((m * (t - x)) ** 2) / mean(m) at 256 x 256, the mask being a picture that was resized as the others."""
    white = np.asarray(Image.fromarray(np.stack([mask * 255] * 3, -1)).resize((256, 256), Image.BICUBIC))
    weights = white.astype(np.float64) / 255
    difference = weights * (reference_view(template) - reference_view(picture))
    return float((difference**2).sum() / weights.mean())


def main():
    rng = np.random.default_rng(11)
    rows = []
    # As in make_labels_fixtures.py, no picture that shrinks in height more than in width.
    for template_size, picture_size, mask_size in [((24, 24), (24, 24), (24, 24)), ((20, 20), (26, 18), (30, 24)), ((24, 24), (24, 24), (16, 16))]:
        template, picture = smooth(rng, *template_size), smooth(rng, *picture_size)
        mask = mask_of(rng, *mask_size)
        rows.append(
            {
                "template": packed(template),
                "picture": packed(picture),
                "mask": {"width": mask_size[0], "height": mask_size[1], "set": "".join(map(str, mask.ravel()))},
                "distance": distance(template, picture, mask),
            }
        )
    OUT.write_text(json.dumps({"cases": rows}) + "\n")


if __name__ == "__main__":
    main()
