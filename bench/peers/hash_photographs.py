"""imagehash over files: see serve.py for how it is asked. Needs the folder's `paths` and the number of `processes`.

A run hashes all files by phash, from opening to the hash, in a pool of processes that is there before the first run.
Its answers are timed with Pillow as it is. Its hashes are given twice: those, and those with rows resized before columns,
the order of all versions before 13, as in make_images_fixtures.py. With `pixels` it hashes that file of raw 8-bit RGB pictures of one
size instead, in one process, by the function that `hash` names.
"""

from multiprocessing import Pool

import imagehash
import numpy as np
from PIL import Image

from serve import serve

resize = Image.Image.resize


def rows_first(self, size, resample=None, **rest):
    return resize(resize(self, (size[0], self.height), resample, **rest), size, resample, **rest)


def hash_file(path):
    with Image.open(path) as image:
        return str(imagehash.phash(image))


def hash_file_rows_first(path):
    Image.Image.resize = rows_first
    try:
        return hash_file(path)
    finally:
        Image.Image.resize = resize


def main(request):
    hello = dict(peer=f"imagehash {imagehash.__version__}", flops=0)
    if "pixels" in request:
        pixels = np.fromfile(request["pixels"], np.uint8).reshape(-1, request["height"], request["width"], 3)
        images = [Image.fromarray(picture) for picture in pixels]
        function = getattr(imagehash, request["hash"])
        run = lambda: [str(function(image)) for image in images]
        Image.Image.resize = rows_first
        hashes = run()
        Image.Image.resize = resize
        return run, dict(hello, threads=1, results=dict(rowsFirst=hashes, plain=run()))
    pool = Pool(request["processes"])
    run = lambda: pool.map(hash_file, request["paths"], chunksize=16)
    rows = pool.map(hash_file_rows_first, request["paths"], chunksize=16)
    return run, dict(hello, threads=request["processes"], results=dict(rowsFirst=rows, plain=run()))


if __name__ == "__main__":
    serve(main)
