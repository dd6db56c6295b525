"""Stable Diffusion 1.5's UNet with random weights on PyTorch and a graphics card: evaluations per second.

The rival of `npm run bench -- providers`, for the same machine: python3 bench/peers/providers.py [SECONDS]
"""

import statistics
import sys
import time

# See worker.py.
sys.modules["torchvision"] = None

import torch
from diffusers import UNet2DConditionModel

FLOPS = 803.3e9


def main(seconds):
    torch.manual_seed(0)
    with torch.device("cuda"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).eval()
    for dtype, tf32 in ((torch.float32, False), (torch.float32, True), (torch.float16, True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        unet = unet.to(dtype)
        for batch in (1, 8):
            sample = torch.randn(batch, 4, 64, 64, device="cuda", dtype=dtype)
            states = torch.randn(batch, 77, 768, device="cuda", dtype=dtype)

            def run():
                start = time.perf_counter()
                with torch.inference_mode():
                    # To the host and back, as ours does.
                    unet(sample, 500, encoder_hidden_states=states).sample.float().cpu()
                return time.perf_counter() - start

            for _ in range(3):
                run()
            times, until = [], time.perf_counter() + seconds
            while time.perf_counter() < until:
                times.append(run())
            rate = batch / statistics.median(times)
            name = str(dtype).removeprefix("torch.") + (" (TF32)" if dtype == torch.float32 and tf32 else "")
            print(f"PyTorch {torch.__version__} {name} batch {batch}: {rate:.2f} evaluations/s, {rate * FLOPS / 1e12:.2f} TFLOP/s", flush=True)


main(float(sys.argv[1]) if len(sys.argv) > 1 else 6)
