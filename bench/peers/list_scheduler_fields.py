"""Golden file for src/diffusion/scheduler-fields.ts: the arguments, with defaults, of the schedulers that we take.

Run: .venv/bin/python list_scheduler_fields.py
"""

import sys

sys.modules["torchvision"] = None  # Not needed; a build for another torch breaks the import of transformers.

import inspect
import json
import math
from pathlib import Path

import diffusers

NAMES = [
    "DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LMSDiscreteScheduler", "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "DEISMultistepScheduler", "UniPCMultistepScheduler",
]


def plain(value):
    # JSON has no infinity (lambda_min_clipped).
    return None if isinstance(value, float) and math.isinf(value) else value


fields = {
    name: {
        key: plain(parameter.default)
        for key, parameter in inspect.signature(getattr(diffusers, name).__init__).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    for name in NAMES
}
path = Path(__file__).resolve().parents[2] / "src/diffusion/fixtures/scheduler-fields.json"
path.write_text(json.dumps(fields, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes")
