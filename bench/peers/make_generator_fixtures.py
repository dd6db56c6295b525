"""Golden files for src/diffusion/generator-graph.ts: two small random-weight generators exported to ONNX by PyTorch, and the
pictures that PyTorch makes with them from noise of seeds 0 and 3.

Run from the repository's root: bench/peers/.venv/bin/python bench/peers/make_generator_fixtures.py
Writes src/diffusion/fixtures/generators/.
"""

import json
from pathlib import Path

import torch
from torch import nn

torch.set_num_threads(1)
FOLDER = Path(__file__).resolve().parents[2] / "src" / "diffusion" / "fixtures" / "generators"
SEEDS = [0, 3]

GENERATORS = {
    # As DCGAN: noise is a picture of one pixel, any batch, colours in [-1, 1].
    "dcgan": dict(
        net=nn.Sequential(
            nn.ConvTranspose2d(20, 8, 4, 1, 0), nn.BatchNorm2d(8), nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()),
        shape=(20, 1, 1), dynamic=True, range=None,
    ),
    # A vector of noise, one picture at a time, grey in [0, 1].
    "grey": dict(
        net=nn.Sequential(nn.Linear(6, 30), nn.LeakyReLU(0.2), nn.Linear(30, 24), nn.Sigmoid(), nn.Unflatten(1, (1, 4, 6))),
        shape=(6,), dynamic=False, range=[0, 1],
    ),
}

FOLDER.mkdir(parents=True, exist_ok=True)
golden = {}
for name, entry in GENERATORS.items():
    net = entry["net"]
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, tensor in net.named_parameters():
            value = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(0.5 * value if key.endswith("weight") else 0.2 * value)
    net.eval()
    noise = torch.stack([torch.randn(entry["shape"], generator=torch.Generator().manual_seed(seed)) for seed in SEEDS])
    names = dict(input_names=["z"], output_names=["image"])
    if entry["dynamic"]:
        names["dynamic_axes"] = {"z": {0: "n"}, "image": {0: "n"}}
    torch.onnx.export(net, (noise[:1],), str(FOLDER / f"{name}.onnx"), dynamo=False, opset_version=17, **names)
    if entry["range"]:
        (FOLDER / f"{name}.verbatim.json").write_text(json.dumps({"range": entry["range"]}) + "\n")
    with torch.no_grad():
        out = net(noise)
    unit = (out / 2 + 0.5 if entry["range"] is None else out).clamp(0, 1)
    unit = unit.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    levels = torch.round(unit * 255).int().flatten(1).tolist()
    golden[name] = {"shape": list(entry["shape"]), "size": list(out.shape[2:]), "pictures": levels}
(FOLDER / "goldens.json").write_text(json.dumps({"seeds": SEEDS, **golden}, separators=(",", ":")) + "\n")
