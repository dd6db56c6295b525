"""faiss-cpu's way to all pairs of similar rows: k-means cells, IndexIVFFlat, range_search: see serve.py for how it is asked."""

import resource
import time

import faiss
import numpy as np

from serve import serve


def clock():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), usage.ru_utime + usage.ru_stime])


class Rows:
    """float16 parts, one after another, as float32 where they are asked for."""

    def __init__(self, paths):
        self.parts = [np.load(path, mmap_mode="r") for path in paths]
        self.starts = np.cumsum([0] + [len(part) for part in self.parts])
        self.count, self.dimension = self.starts[-1], self.parts[0].shape[1]

    def some(self, positions):
        part = np.searchsorted(self.starts, positions, side="right") - 1
        out = np.empty((len(positions), self.dimension), np.float32)
        for p in np.unique(part):
            mine = part == p
            out[mine] = self.parts[p][positions[mine] - self.starts[p]]
        return out

    def chunks(self, size):
        for first in range(0, self.count, size):
            yield first, self.some(np.arange(first, min(self.count, first + size)))


def pairs_of(index, rows, threshold):
    """Pairs as lower · count + higher."""
    found = []
    for first, chunk in rows.chunks(16_384):
        limits, _, others = index.range_search(chunk, threshold)
        ones = first + np.repeat(np.arange(len(chunk)), np.diff(limits).astype(np.int64))
        other = ones != others
        low, high = np.minimum(ones, others)[other], np.maximum(ones, others)[other]
        found.append(low.astype(np.int64) * rows.count + high)
    return np.unique(np.concatenate(found))


def main(request):
    faiss.omp_set_num_threads(request["threads"])
    rows = Rows(request["rows"])
    truth = np.fromfile(request["truth"], np.float64).astype(np.int64)
    start = clock()
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(rows.dimension), rows.dimension, request["cells"], faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical = True
    # What faiss would draw from all rows itself, without holding them.
    size = min(rows.count, index.cp.max_points_per_centroid * request["cells"])
    drawn = np.sort(np.random.default_rng(0).choice(rows.count, size, replace=False))
    index.train(rows.some(drawn))
    trained = clock()
    for _, chunk in rows.chunks(65_536):
        index.add(chunk)
    added = clock()
    nprobe = request["nprobe"] or 1
    while True:
        index.nprobe = nprobe
        began = clock()
        found = pairs_of(index, rows, request["threshold"])
        done = clock()
        recall = np.isin(truth, found, assume_unique=True).mean()
        if request["nprobe"] or recall >= request["recall"] or nprobe >= request["cells"]:
            break
        nprobe *= 2
    seconds = {
        name: dict(wall=float(wall), cpu=float(cpu))
        for name, (wall, cpu) in dict(training=trained - start, assignment=added - trained, pairs=done - began).items()
    }
    return lambda: None, dict(
        peer=f"faiss-cpu {faiss.__version__}",
        threads=faiss.omp_get_max_threads(),
        flops=0,
        results=dict(
            seconds=seconds,
            nprobe=nprobe,
            recall=float(recall),
            pairs=len(found),
            peakMiB=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        ),
    )


serve(main)
