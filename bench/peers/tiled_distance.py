"""All pairs of pictures under Carlini's tiled distance by NumPy or PyTorch: see serve.py for how it is asked.

Per tile one matrix product in float32 of values moved by 128, so that nothing is lost to cancellation that need not be. NumPy
computes a @ a.T as a symmetric product, half of the other.
"""

import os

from serve import serve


def main(request):
    threads = request["threads"]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import numpy as np

    count, side, tiles = request["count"], request["side"], request["tiles"]
    tile = side // tiles
    pictures = np.fromfile(request["pictures"], dtype=np.uint8).reshape(count, tiles, tile, tiles, tile, 3)
    values = tile * tile * 3

    def with_numpy():
        largest = np.zeros((count, count), dtype=np.float32)
        for row in range(tiles):
            for column in range(tiles):
                a = pictures[:, row, :, column].astype(np.float32).reshape(count, values)
                a -= 128
                products = a @ a.T
                squares = np.diagonal(products).copy()
                products *= -2
                products += squares[:, None]
                products += squares[None, :]
                np.maximum(largest, products, out=largest)
        return np.sqrt(largest / values) / 255

    if request["peer"] == "numpy":
        run, name = with_numpy, f"NumPy {np.__version__}"
    else:
        import torch

        torch.set_num_threads(threads)
        tensors = torch.from_numpy(pictures)

        def with_torch():
            largest = torch.zeros((count, count))
            for row in range(tiles):
                for column in range(tiles):
                    a = tensors[:, row, :, column].reshape(count, values).to(torch.float32).sub_(128)
                    products = a @ a.T
                    squares = products.diagonal().clone()
                    products.mul_(-2).add_(squares[:, None]).add_(squares[None, :])
                    torch.maximum(largest, products, out=largest)
            return torch.sqrt(largest / values) / 255

        run, name = with_torch, f"PyTorch {torch.__version__}"

    lower = np.tril_indices(count, -1)
    return run, dict(
        peer=name,
        threads=threads,
        flops=2 * count * (count - 1) // 2 * values * tiles * tiles,
        results=np.asarray(run())[lower].tolist(),
    )


serve(main)
