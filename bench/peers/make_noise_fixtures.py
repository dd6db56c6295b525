"""Golden noise from torch (CPU generator) and numpy's MT19937."""
import json
import pathlib

import numpy as np
import torch

torch.set_num_threads(1)
SEEDS = [0, 1, 42, 2**32 - 1, 2**32 + 5, 2**53 + 1, 2**64 - 1]


def floats(tensor):
    return [float(x) for x in tensor.flatten().double()]


def words(seed, skip, count):
    raw = np.random.RandomState(seed & 0xFFFFFFFF).randint(0, 2**32, skip + count, dtype=np.uint32)
    return [int(x) for x in raw[skip:]]


streams = [dict(seed=str(s), first=words(s, 0, 8), after1300=words(s, 1300, 4)) for s in SEEDS]

# Each case: one generator, several calls in order.
calls = [
    ["randn", [1]], ["randn", [3]], ["randn", [16]], ["randn", [2]], ["rand", [5]], ["randn", [7]], ["randn", [17]],
    ["randn", [4, 9]], ["randint", -3, 11, 6], ["randint", 0, 2**28, 3], ["randint", 0, 2**28 - 1, 3], ["randint", -5, 2**40, 3],
    ["randperm", 1], ["randperm", 13], ["randn", [15]], ["randn", [2, 3, 5]],
]
sequences = []
for seed in SEEDS:
    g = torch.Generator().manual_seed(seed)
    results = []
    for name, *args in calls:
        if name in ("rand", "randn"):
            results.append(floats(getattr(torch, name)(args[0], generator=g)))
        elif name == "randint":
            results.append([str(int(x)) for x in torch.randint(args[0], args[1], (args[2],), generator=g)])
        else:
            results.append([str(int(x)) for x in torch.randperm(args[0], generator=g)])
    sequences.append(dict(seed=str(seed), results=results))

g = torch.Generator().manual_seed(7)
latent = torch.randn(4, 64, 64, generator=g).flatten()
picks = list(range(0, latent.numel(), 127))

out = dict(streams=streams, calls=calls, sequences=sequences, latent=dict(seed=7, picks=picks, values=floats(latent[picks]), mean=float(latent.double().mean())))
path = pathlib.Path(__file__).parents[2] / "src/noise/fixtures/golden.json"
path.write_text(json.dumps(out) + "\n")
