"""Opens a model folder of ours with diffusers and compares: check_model_folder.py PATH [GOLDENS]

Fails when `StableDiffusionPipeline.from_pretrained` logs or warns anything, when the tokenizer's end is not its
largest id, or when a two-step picture is not finite. With GOLDENS (a safetensors file with `unet.*`, `vae.*` and
`text.*` as in src/models/fixtures) it also compares the networks' outputs to 1e-4.
"""

import sys

sys.modules["torchvision"] = None

import logging
import warnings

messages = []


class Collect(logging.Handler):
    def emit(self, record):
        messages.append(f"{record.name}: {record.getMessage()}")


import diffusers
import torch
import transformers
from safetensors.torch import load_file

warnings.simplefilter("always")
warnings.showwarning = lambda message, category, *rest, **more: messages.append(f"{category.__name__}: {message}")
for library in (diffusers, transformers):
    library.utils.logging.disable_progress_bar()
    logger = logging.getLogger(library.__name__)
    logger.handlers = [Collect(level=logging.WARNING)]
    logger.propagate = False
torch.set_num_threads(1)

path = sys.argv[1]
Pipeline = diffusers.StableDiffusionPipeline
# The lazy import of the class warns of the torchvision that was taken away above; the folder says nothing yet.
messages.clear()
pipe = Pipeline.from_pretrained(path)
pipe.set_progress_bar_config(disable=True)
assert messages == [], "\n".join(messages)
tokenizer = pipe.tokenizer
assert tokenizer.eos_token_id == len(tokenizer) - 1 and tokenizer.bos_token_id == len(tokenizer) - 2
with torch.no_grad():
    # VaeImageProcessor and the loop; two steps, guided.
    picture = pipe("A red chair", num_inference_steps=2, output_type="pt", generator=torch.Generator().manual_seed(0)).images
    assert torch.isfinite(picture).all()
    print("opened:", path, "dtypes", pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype, "picture", tuple(picture.shape))
    if len(sys.argv) > 2:
        golden = load_file(sys.argv[2])

        def close(name, found):
            error = ((found - golden[name]).abs().max() / golden[name].abs().max()).item()
            print(f"{name}: {error:.2e}")
            assert error < 1e-4

        close("text.last_hidden_state", pipe.text_encoder(golden["text.input_ids"]).last_hidden_state)
        close("unet.out_999", pipe.unet(golden["unet.sample"], torch.tensor(999.0), golden["unet.encoder_hidden_states"]).sample)
        close("vae.moments", pipe.vae.encode(golden["vae.sample"]).latent_dist.parameters)
        close("vae.decoded", pipe.vae.decode(golden["vae.latents"]).sample)
