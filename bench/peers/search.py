"""faiss-cpu's exact search (IndexFlatIP) over a NumPy file: see serve.py for how it is asked."""

import faiss
import numpy as np

from serve import serve


def main(request):
    faiss.omp_set_num_threads(request["threads"])
    rows = np.load(request["rows"], mmap_mode="r")
    queries = np.load(request["queries"])
    index = faiss.IndexFlatIP(rows.shape[1])
    for start in range(0, len(rows), 100_000):
        index.add(np.ascontiguousarray(rows[start : start + 100_000]))

    def run():
        return index.search(queries, request["k"])

    found = run()[1].tolist()
    return run, dict(
        peer=f"faiss-cpu {faiss.__version__}",
        threads=faiss.omp_get_max_threads(),
        flops=2 * len(queries) * rows.shape[0] * rows.shape[1],
        results=found,
    )


serve(main)
