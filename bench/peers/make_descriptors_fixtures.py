"""Golden hashes from imagehash on photographs: src/descriptors/fixtures/hashes.json.

Crops of scikit-learn's two sample photographs, in sizes from 20 to 90 pixels, as PNG in base64. Pillow from 13
on may resize columns before rows; the order of all versions before is forced, as in make_images_fixtures.py.
"""
import base64
import io
import json
import pathlib

import imagehash
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

rng = np.random.default_rng(5)
resize = Image.Image.resize


def rows_first(self, size, resample=None, **rest):
    return resize(resize(self, (size[0], self.height), resample, **rest), size, resample, **rest)


Image.Image.resize = rows_first
photographs = [Image.fromarray(a) for a in load_sample_images().images]
cases = []
for i in range(32):
    photograph = photographs[i % 2]
    width, height = (int(v) for v in rng.integers(20, 91, 2))
    scale = float(rng.uniform(0.25, 1))
    whole = resize(photograph, [round(v * scale) for v in photograph.size], Image.BICUBIC)
    left, top = (int(rng.integers(0, v - s + 1)) for v, s in zip(whole.size, (width, height)))
    crop = whole.crop((left, top, left + width, top + height))
    png = io.BytesIO()
    crop.save(png, "PNG", optimize=True)
    cases.append(
        dict(
            png=base64.b64encode(png.getvalue()).decode(),
            phash=str(imagehash.phash(crop)),
            dhash=str(imagehash.dhash(crop)),
            phash16=str(imagehash.phash(crop, hash_size=16)),
            dhash16=str(imagehash.dhash(crop, hash_size=16)),
        )
    )
path = pathlib.Path(__file__).parents[2] / "src/descriptors/fixtures/hashes.json"
path.write_text(json.dumps(dict(imagehash=imagehash.__version__, cases=cases), indent=1) + "\n")
