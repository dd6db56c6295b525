"""Stable Diffusion 1.5's UNet at full size on PyTorch CPU eager, timed side by side with Verbatim.

See serve.py for how it is asked.
"""

import sys
import time

# See worker.py.
sys.modules["torchvision"] = None

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from serve import serve


def count_flops(config, sample, states):
    """On tensors without content: the network must not be held twice."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config).eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        unet(sample.to("meta"), torch.tensor(500, device="meta"), encoder_hidden_states=states.to("meta"))
    return counter.get_total_flops()


def main(request):
    torch.set_num_threads(request["threads"])
    inputs = load_file(request["inputs"])
    sample, states = inputs["sample"], inputs["states"]
    start = time.perf_counter()
    unet = UNet2DConditionModel.from_pretrained(
        request["model"], subfolder="unet", torch_dtype=torch.float32, low_cpu_mem_usage=True
    ).eval()
    load_seconds = time.perf_counter() - start

    def run():
        with torch.inference_mode():
            return unet(sample, 500, encoder_hidden_states=states).sample

    # The weights are mapped from the file: only a run has read them all.
    output = run().flatten().tolist()
    return run, dict(
        peer=f"PyTorch {torch.__version__} eager",
        threads=torch.get_num_threads(),
        flops=count_flops(unet.config, sample, states),
        results=dict(loadSeconds=load_seconds, output=output),
    )


serve(main)
