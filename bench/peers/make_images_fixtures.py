"""Golden pictures from Pillow and scipy: resizing, Sobel, morphology, decoding. Raw bytes as base64 in JSON."""
import base64
import io
import json
import pathlib

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

rng = np.random.default_rng(3)
FILTERS = dict(nearest=0, lanczos=1, bilinear=2, bicubic=3, box=4, hamming=5)


def scene(width, height):
    """Edges, gradients, noise and saturated areas."""
    y, x = np.mgrid[0:height, 0:width]
    img = np.stack([x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), (x + y) % 32 * 8], axis=2)
    img[height // 4 : height // 2, width // 3 : 2 * width // 3] = (255, 0, 30)
    img[(x - width * 0.7) ** 2 + (y - height * 0.7) ** 2 < (height * 0.2) ** 2] = (10, 250, 245)
    img[: height // 5, : width // 5] += rng.normal(0, 90, (height // 5, width // 5, 3))
    return np.clip(np.round(img), 0, 255).astype(np.uint8)


def resized(image, size, code):
    """Pillow's resize with the horizontal pass first, as all versions before 13 have it (13 sometimes swaps)."""
    return image.resize((size[0], image.height), code).resize(size, code)


def b64(a):
    return base64.b64encode(bytes(a)).decode()


def picture(a):
    a = np.ascontiguousarray(np.asarray(a))
    return dict(width=a.shape[1], height=a.shape[0], data=b64(a.tobytes()))


source = scene(53, 43)
cases = []
for name, code in FILTERS.items():
    for size in ((19, 31), (73, 20), (61, 60), (30, 43), (1, 1)):
        cases.append(dict(filter=name, **picture(resized(Image.fromarray(source), size, code))))
large = scene(157, 110)
for name, size in (("lanczos", (40, 40)), ("bicubic", (24, 50))):
    cases.append(dict(filter=name, large=True, **picture(resized(Image.fromarray(large), size, FILTERS[name]))))


x = source / 255.0
magnitude = np.hypot(ndimage.sobel(x, axis=0), ndimage.sobel(x, axis=1))
thin = scene(5, 1)
edges = {str(t): b64((magnitude.sum(axis=2) > t).astype(np.uint8)) for t in (1.5, 6.0)}
# A soft picture, in which the threshold of 1.5 decides.
soft = np.clip(np.round(ndimage.gaussian_filter(source.astype(float), (5, 5, 0))), 0, 255).astype(np.uint8)
ms = np.hypot(ndimage.sobel(soft / 255.0, axis=0), ndimage.sobel(soft / 255.0, axis=1))

mask = (ndimage.gaussian_filter(rng.normal(size=(23, 37)), 1.5) > -0.05).astype(np.uint8)
m3 = np.repeat(mask[:, :, None], 3, axis=2)
reference_mask = ndimage.binary_dilation(ndimage.binary_erosion(m3, np.ones((3, 3, 3))), np.ones((6, 6, 3)))
assert (reference_mask == reference_mask[:, :, :1]).all()


def encoded(image, fmt, **options):
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return b64(out.getvalue())


rgb = Image.fromarray(source)
alpha = np.dstack([source, (np.mgrid[0:43, 0:53][1] * 4).astype(np.uint8)])
over = Image.alpha_composite(Image.new("RGBA", (53, 43), "white"), Image.fromarray(alpha)).convert("RGB")
exif = Image.Exif()
exif[0x0112] = 6
small = rgb.resize((24, 17), 1)
# One flat, one gradient: JPEG's decoders agree where nothing is sharp.
jpeg = encoded(Image.fromarray(soft), "JPEG", quality=95, subsampling=0)
turned = encoded(Image.fromarray(soft), "JPEG", quality=95, subsampling=0, exif=exif)


def decoded(data):
    return picture(ImageOps.exif_transpose(Image.open(io.BytesIO(base64.b64decode(data)))).convert("RGB"))


files = [
    dict(name="rgb.png", exact=True, bytes=encoded(rgb, "PNG"), **picture(rgb)),
    dict(name="alpha.png", exact=False, bytes=encoded(Image.fromarray(alpha), "PNG"), **picture(over)),
    dict(name="grey.png", exact=True, bytes=encoded(rgb.convert("L"), "PNG"), **picture(rgb.convert("L").convert("RGB"))),
    dict(name="palette.png", exact=True, bytes=encoded(rgb.quantize(16), "PNG"), **picture(rgb.quantize(16).convert("RGB"))),
    dict(name="one-bit.png", exact=True, bytes=encoded(rgb.convert("1"), "PNG"), **picture(rgb.convert("1").convert("RGB"))),
    dict(name="sixteen-bit.png", exact=False, bytes=encoded(Image.fromarray(source[:, :, 0].astype(np.uint16) * 257), "PNG"), **picture(Image.fromarray(source[:, :, 0]).convert("RGB"))),
    dict(name="plain.jpg", exact=False, bytes=jpeg, **decoded(jpeg)),
    dict(name="turned.jpg", exact=False, bytes=turned, **decoded(turned)),
    dict(name="grey.jpg", exact=False, bytes=(g := encoded(Image.fromarray(soft).convert("L"), "JPEG", quality=95)), **decoded(g)),
    dict(name="lossless.webp", exact=True, bytes=encoded(rgb, "WEBP", lossless=True), **picture(rgb)),
    dict(name="still.gif", exact=True, bytes=encoded(rgb.quantize(16), "GIF"), **picture(rgb.quantize(16).convert("RGB"))),
    dict(name="plain.tiff", exact=True, bytes=encoded(rgb, "TIFF", compression="tiff_lzw"), **picture(rgb)),
]

values = np.r_[rng.uniform(-1.4, 1.4, 300), (np.arange(0, 256) / 127.5 - 1), (np.arange(0, 255) + 0.5) / 127.5 - 1, [0]].astype(np.float32)
values = values[: len(values) // 3 * 3]
rounded = (np.clip(values / 2 + 0.5, 0, 1) * 255).round().astype(np.uint8)

out = dict(
    source=picture(source), large=picture(large), resize=cases,
    sobel=dict(magnitude=b64(magnitude.astype("<f4").tobytes()), edges=edges, soft=picture(soft), softEdges=b64((ms.sum(axis=2) > 1.5).astype(np.uint8)),
               thin=picture(thin), thinMagnitude=b64(np.hypot(ndimage.sobel(thin / 255.0, axis=0), ndimage.sobel(thin / 255.0, axis=1)).astype("<f4").tobytes())),
    morphology=dict(
        width=37, height=23, data=b64(mask),
        erode={str(n): b64(ndimage.binary_erosion(mask, np.ones((n, n))).astype(np.uint8)) for n in (1, 2, 3, 6)},
        dilate={str(n): b64(ndimage.binary_dilation(mask, np.ones((n, n))).astype(np.uint8)) for n in (1, 2, 3, 6)},
        reference=b64(np.ascontiguousarray(reference_mask[:, :, 0]).astype(np.uint8)),
    ),
    files=files,
    tensors=dict(values=[float(v) for v in values], rounded=[int(v) for v in rounded],
                 normalized=[float(v) for v in (2.0 * (np.arange(256).astype(np.float32) / np.float32(255.0)) - 1.0)]),
)
path = pathlib.Path(__file__).parents[2] / "src/images/fixtures/golden.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(out) + "\n")
print(path.stat().st_size)
