"""PyTorch's DataLoader with Pillow over tars or Parquet files of JPEGs: see serve.py for how it is asked."""

import glob
import io
import tarfile

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from serve import serve


def from_tar(path):
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name.endswith(".jpg"):
                yield tar.extractfile(member).read()


def from_parquet(path):
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(64, columns=["image"]):
        for picture in batch.column("image").field("bytes"):
            yield picture.as_py()


class Shards(IterableDataset):
    """Each worker takes every n-th shard."""

    def __init__(self, paths, read, side, draft):
        self.paths, self.read, self.side, self.draft = paths, read, side, draft

    def __iter__(self):
        worker = get_worker_info()
        for path in self.paths[worker.id :: worker.num_workers]:
            for data in self.read(path):
                picture = Image.open(io.BytesIO(data))
                if self.draft:
                    picture.draft("RGB", (self.side, self.side))
                picture = picture.convert("RGB").resize((self.side, self.side), Image.Resampling.LANCZOS)
                yield torch.from_numpy(np.array(picture))


def main(request):
    tars = request["format"] == "webdataset"
    paths = sorted(glob.glob(request["path"] + ("/*.tar" if tars else "/*.parquet")))
    shards = Shards(paths, from_tar if tars else from_parquet, request["side"], request["draft"])
    loader = DataLoader(shards, batch_size=64, num_workers=request["workers"], persistent_workers=True)

    def run():
        count, total = 0, 0
        for batch in loader:
            count += len(batch)
            total += int(batch.sum(dtype=torch.int64))
        return count, total

    count, total = run()
    return run, dict(
        peer=f"torch {torch.__version__} DataLoader + Pillow {PIL.__version__}",
        threads=request["workers"],
        flops=0,
        results=dict(count=count, mean=total / (count * request["side"] ** 2 * 3)),
    )


if __name__ == "__main__":
    serve(main)
