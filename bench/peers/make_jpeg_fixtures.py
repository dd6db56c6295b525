"""Makes src/images/fixtures/jpegs.json: JPEGs of every kind that Pillow writes, and Pillow's pixels of the plain ones.

`plain` says whether a file needs nothing but decoding: no other orientation, no colour profile, no CMYK, no RGB without conversion.
"""

import base64
import hashlib
import io
import json
import pathlib

import numpy as np
from PIL import Image, ImageCms

target = pathlib.Path(__file__).parents[2] / "src/images/fixtures/jpegs.json"
random = np.random.default_rng(5)


def picture(width, height):
    """Waves of colour, an edge and some noise: enough for every part of a decoder."""
    y, x = np.mgrid[:height, :width]
    waves = [110 + 70 * np.sin(x / (5 + c) + c) + 60 * np.cos(y / (7 - c)) for c in range(3)]
    data = np.stack(waves, -1) + random.normal(0, 6, (height, width, 3))
    data[height // 3 :, width // 2 :] = 255 - data[height // 3 :, width // 2 :]
    return Image.fromarray(np.clip(data, 0, 255).astype(np.uint8))


def orientation(value, byte_order="<"):
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010E] = "a description"
    exif[0x0112] = value
    return exif.tobytes()


srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
base = dict(quality=85)
cases = [("odd size", (37, 29), True, {}), ("one pixel", (1, 1), True, {}), ("one column", (1, 40), True, {})]
cases += [("one row", (40, 1), True, {}), ("wide", (130, 9), True, dict(subsampling=2))]
for name, subsampling in [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)]:
    for quality in [1, 40, 85, 100]:
        cases.append((f"{name} quality {quality}", (45, 35), True, dict(subsampling=subsampling, quality=quality)))
    cases.append((f"{name} progressive", (45, 35), True, dict(subsampling=subsampling, progressive=True)))
    cases.append((f"{name} restarts", (45, 35), True, dict(subsampling=subsampling, restart_marker_blocks=2)))
    cases.append((f"{name} optimised", (45, 35), True, dict(subsampling=subsampling, optimize=True)))
cases += [
    ("progressive restarts", (45, 35), True, dict(progressive=True, restart_marker_rows=1)),
    ("comment", (20, 20), True, dict(comment=b"\xff\xd9 no end")),
    ("upright", (20, 24), True, dict(exif=orientation(1))),
    ("upright, big-endian", (20, 24), True, dict(exif=orientation(1, ">"))),
    *[(f"orientation {value}", (20, 24), False, dict(exif=orientation(value))) for value in [0, 3, 6, 8, 9]],
    ("profile", (20, 20), False, dict(icc_profile=srgb)),
    ("RGB kept", (20, 20), False, dict(keep_rgb=True)),
]

files = []


def add(name, image, plain, options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{**base, **options})
    data = buffer.getvalue()
    pixels = Image.open(io.BytesIO(data)).convert("RGB").tobytes()
    sha256 = hashlib.sha256(pixels).hexdigest()
    file = dict(name=name, plain=plain, width=image.width, height=image.height, bytes=base64.b64encode(data).decode())
    files.append({**file, "sha256": sha256} if plain else file)


for name, size, plain, options in cases:
    add(name, picture(*size), plain, options)
for progressive in [False, True]:
    add(f"grey{' progressive' if progressive else ''}", picture(45, 35).convert("L"), True, dict(progressive=progressive))
add("CMYK", picture(20, 20).convert("CMYK"), False, {})
target.write_text(json.dumps(files, indent=1) + "\n")
print(len(files), "files,", target.stat().st_size, "bytes")
