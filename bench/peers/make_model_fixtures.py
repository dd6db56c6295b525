"""Golden files for src/models: small random-weight models by diffusers and transformers, and what they compute.

Run from the repository's root: bench/peers/.venv/bin/python bench/peers/make_model_fixtures.py
Writes src/models/fixtures/{sd1,sd2}/ (ordinary diffusers folders, float16 weights) with goldens.safetensors.
Their tokenizer is a copy of src/models/fixtures/tokenizer (make_tokenizer_fixture.ts makes it).
"""

import sys

# Not needed here, and a build of it for another torch breaks the import of transformers.
sys.modules["torchvision"] = None

import json
import shutil
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2] / "src" / "models" / "fixtures"

UNETS = {
    # As Stable Diffusion 1: one number of heads, convolutions into and out of attention, two levels of skips.
    "sd1": dict(
        sample_size=8, block_out_channels=(32, 48), layers_per_block=1, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32, attention_head_dim=4,
    ),
    # As Stable Diffusion 2: heads per block, linear projections; and what else the config allows.
    "sd2": dict(
        sample_size=8, block_out_channels=(16, 24, 32), layers_per_block=[1, 2, 1], norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32, attention_head_dim=[2, 4, 8], use_linear_projection=True,
        transformer_layers_per_block=[1, 2, 1], resnet_time_scale_shift="scale_shift", flip_sin_to_cos=False,
        freq_shift=1, downsample_padding=0, mid_block_scale_factor=1.5, center_input_sample=True,
    ),
}
VAES = {
    "sd1": dict(
        block_out_channels=(16, 32), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=8, sample_size=16, latent_channels=4,
    ),
    "sd2": dict(
        block_out_channels=(16, 16, 32), down_block_types=("DownEncoderBlock2D",) * 3, layers_per_block=2,
        up_block_types=("UpDecoderBlock2D",) * 3, norm_num_groups=4, sample_size=32, latent_channels=4,
        use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.7, shift_factor=0.1,
    ),
}
TEXTS = {
    # eos_token_id 2 is the old files' mistake: pooling then looks for the largest id.
    "sd1": dict(hidden_act="quick_gelu", num_hidden_layers=2, num_attention_heads=4, eos_token_id=2),
    "sd2": dict(hidden_act="gelu", num_hidden_layers=3, num_attention_heads=2, eos_token_id=639),
}
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def spread(model, scale=1.0):
    """Weights far from their defaults (norms too), so that an omitted or swapped tensor shows."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=generator)
            fan_in = tensor[0].numel() if tensor.dim() > 1 else 0
            if "embedding.weight" in name and tensor.dim() == 2:
                value = 0.5 * noise
            elif fan_in:
                value = scale * noise / fan_in**0.5
            elif name.endswith("weight"):
                value = 1 + 0.2 * noise
            else:
                value = 0.1 * noise
            # Through half precision: the files hold float16, the goldens are computed in float32 from the same.
            tensor.copy_(value.half().float())
    return model.eval()


def old_names(path):
    """The attention names of AutoencoderKL files before diffusers 0.18."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    renamed = {}
    for name, tensor in tensors.items():
        for now, then in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")):
            name = name.replace(now, then)
        renamed[name] = tensor.contiguous()
    save_file(renamed, path, metadata={"format": "pt"})


@torch.no_grad()
def make(variant):
    folder = ROOT / variant
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(3)

    def noise(*shape):
        return torch.randn(shape, generator=generator)

    goldens = {}
    text = spread(CLIPTextModel(CLIPTextConfig(
        vocab_size=640, hidden_size=32, intermediate_size=64, max_position_embeddings=77, bos_token_id=638,
        pad_token_id=639, **TEXTS[variant])))
    ids = torch.randint(0, 638, (2, 77), generator=generator)
    ids[:, 0] = 638
    ids[0, 9:] = 639
    ids[1, 40:] = 639
    states = text(ids)
    goldens |= {"text.input_ids": ids, "text.last_hidden_state": states.last_hidden_state, "text.pooler_output": states.pooler_output}

    unet = spread(UNet2DConditionModel(**UNETS[variant]))
    sample = noise(2, 4, 8, 8)
    context = noise(2, 7, 32)
    goldens |= {"unet.sample": sample, "unet.encoder_hidden_states": context}
    for t in (17.0, 999.0):
        goldens[f"unet.out_{int(t)}"] = unet(sample, torch.tensor(t), context).sample
    # A timestep per sample, a fraction among them, and one condition for the whole batch.
    goldens["unet.timesteps"] = torch.tensor([3.5, 600.0])
    goldens["unet.out_mixed"] = unet(sample, goldens["unet.timesteps"], context[:1].expand(2, -1, -1)).sample

    vae = spread(AutoencoderKL(**VAES[variant]), scale=0.8)
    side = VAES[variant]["sample_size"]
    picture = noise(2, 3, side, side).clamp(-1, 1)
    posterior = vae.encode(picture).latent_dist
    goldens |= {"vae.sample": picture, "vae.moments": posterior.parameters, "vae.latents": posterior.mean}
    goldens["vae.decoded"] = vae.decode(posterior.mean).sample

    unet.half().save_pretrained(folder / "unet")
    vae.half().save_pretrained(folder / "vae")
    text.half().save_pretrained(folder / "text_encoder")
    if variant == "sd1":
        old_names(folder / "vae" / "diffusion_pytorch_model.safetensors")
    (folder / "scheduler").mkdir()
    prediction = {"sd1": "epsilon", "sd2": "v_prediction"}[variant]
    scheduler = {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "prediction_type": prediction, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, **BETAS}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2) + "\n")
    shutil.copytree(ROOT / "tokenizer", folder / "tokenizer", ignore=shutil.ignore_patterns("captions.txt", "goldens.json"))
    index = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None], "requires_safety_checker": False, "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    save_file({name: tensor.contiguous() for name, tensor in goldens.items()}, folder / "goldens.safetensors")


for variant in ("sd1", "sd2"):
    make(variant)
