"""A peer that is timed side by side with Verbatim.

What PyTorch does: see serve.py for how it is asked.
"""

import sys

# k-diffusion brings a torchvision that may be built for another torch; transformers then fails to import it.
# Nothing here needs it, and without it transformers does not try.
sys.modules["torchvision"] = None

import torch

from serve import serve


def unet_from(parameters):
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel.from_config(parameters["unet"])


def denoise(parameters):
    """Forward passes of the UNet, no gradients: one run = one batch."""
    unet = unet_from(parameters).eval()
    batch, tokens = parameters["batch"], parameters["tokens"]
    size = unet.config.sample_size
    sample = torch.randn(batch, unet.config.in_channels, size, size)
    states = torch.randn(batch, tokens, unet.config.cross_attention_dim)
    timestep = torch.full((batch,), 500)

    def run():
        with torch.inference_mode():
            unet(sample, timestep, encoder_hidden_states=states)

    return run


def train_step(parameters):
    """Forward, backward, clipping, AdamW and a moving average of UNet and text encoder: one run = one step."""
    from transformers import CLIPTextConfig, CLIPTextModel

    unet = unet_from(parameters).train()
    text = CLIPTextModel(CLIPTextConfig(**parameters["text"])).train()
    weights = [*unet.parameters(), *text.parameters()]
    average = [p.detach().clone() for p in weights]
    optimizer = torch.optim.AdamW(weights, lr=1e-4, betas=(0.9, 0.99), weight_decay=0)
    batch, tokens = parameters["batch"], parameters["tokens"]
    size = unet.config.sample_size
    sample = torch.randn(batch, unet.config.in_channels, size, size)
    target = torch.randn_like(sample)
    ids = torch.randint(0, text.config.vocab_size, (batch, tokens))
    timestep = torch.randint(0, 1000, (batch,))

    def run():
        states = text(input_ids=ids).last_hidden_state
        predicted = unet(sample, timestep, encoder_hidden_states=states).sample
        loss = ((predicted - target) ** 2).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.detach() for p in weights], 0.002)

    return run


def count_flops(run):
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        run()
    return counter.get_total_flops()


def main(request):
    torch.set_num_threads(request["threads"])
    run = {"denoise": denoise, "train-step": train_step}[request["task"]](request)
    return run, dict(peer=f"PyTorch {torch.__version__} eager", threads=torch.get_num_threads(), flops=count_flops(run))


serve(main)
