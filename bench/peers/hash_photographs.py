"""Hashes of photographs by imagehash, for `npm run bench -- phash`.

Arguments: a file of raw 8-bit RGB pictures of one size, width, height. Prints one line of JSON: imagehash's
version, the hashes as hexadecimal digits, and the seconds that hashing took. Pillow from 13 on may resize columns
before rows; the order of all versions before is forced, as in make_images_fixtures.py.
"""

import json
import sys
import time

import imagehash
import numpy as np
from PIL import Image

path, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resize = Image.Image.resize


def rows_first(self, size, resample=None, **rest):
    return resize(resize(self, (size[0], self.height), resample, **rest), size, resample, **rest)


Image.Image.resize = rows_first
pictures = np.fromfile(path, np.uint8).reshape(-1, height, width, 3)
images = [Image.fromarray(picture) for picture in pictures]
result = {"imagehash": imagehash.__version__}
for name in ("phash", "dhash"):
    start = time.perf_counter()
    result[name] = [str(getattr(imagehash, name)(image)) for image in images]
    result[f"{name}Seconds"] = time.perf_counter() - start
print(json.dumps(result))
