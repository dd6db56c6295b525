"""Golden weights of torch's AdamW with clipping on a small linear regression: src/training/fixtures/adamw.json."""

import json
import pathlib

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
weight = torch.randn(3, 4, requires_grad=True)
bias = torch.randn(3, requires_grad=True)
x = torch.randn(8, 4)
y = torch.randn(8, 3)
start = {"weight": weight.tolist(), "bias": bias.tolist()}
optimizer = torch.optim.AdamW([weight, bias], lr=0.05, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
losses, norms = [], []
for _ in range(6):
    optimizer.zero_grad()
    loss = ((x @ weight.T + bias - y) ** 2).mean()
    loss.backward()
    norms.append(torch.nn.utils.clip_grad_norm_([weight, bias], 0.5).item())
    optimizer.step()
    losses.append(loss.item())
target = pathlib.Path(__file__).parents[2] / "src/training/fixtures/adamw.json"
target.parent.mkdir(exist_ok=True)
target.write_text(
    json.dumps(
        {
            "torch": torch.__version__,
            "learningRate": 0.05,
            "beta1": 0.9,
            "beta2": 0.99,
            "weightDecay": 0.1,
            "clipNorm": 0.5,
            "x": x.tolist(),
            "y": y.tolist(),
            "start": start,
            "losses": losses,
            "gradientNorms": norms,
            "end": {"weight": weight.tolist(), "bias": bias.tolist()},
        }
    )
    + "\n"
)
