"""Golden files for UNet2DModel and VQModel: small random-weight folders of DDPMPipeline, DDIMPipeline and LDMPipeline by
diffusers, what the networks compute, and what comes out in one step and in 16 steps.

Run from the repository's root: bench/peers/.venv/bin/python bench/peers/make_unet2d_fixtures.py
Writes src/models/fixtures/{ddpm,classes,learned,ldm}/ (float16 weights) with goldens.safetensors.
"""

import importlib
import json
import shutil
import sys
from pathlib import Path

sys.modules["torchvision"] = None  # Not needed here, and a build of it for another torch breaks imports.

import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, LDMPipeline, UNet2DModel, VQModel
from safetensors.torch import load_file, save_file

from k_diffusion_alone import external, sampling

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2] / "src" / "models" / "fixtures"
SEEDS, STEPS, LABELS, GUIDANCE, NO_CLASS = [0, 3], 16, [2, 0], 3.0, 4

UNETS = {
    # As google/ddpm-cifar10-32: one head, sines first, halving padded below and to the right.
    "ddpm": dict(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=2, norm_num_groups=4, norm_eps=1e-6,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=None, freq_shift=1, flip_sin_to_cos=False, downsample_padding=0,
    ),
    # Classes by a table, and what else the config allows.
    "classes": dict(
        sample_size=8, block_out_channels=(8, 16, 16), layers_per_block=1, norm_num_groups=4, num_class_embeds=5,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"), attention_head_dim=4,
        resnet_time_scale_shift="scale_shift", downsample_type="resnet", upsample_type="resnet",
        mid_block_scale_factor=1.5, center_input_sample=True,
    ),
    # The network tells its variance too; classes by their number, as a second timestep.
    "learned": dict(
        sample_size=(8, 4), block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, out_channels=6,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        class_embed_type="timestep", attn_norm_num_groups=2,
    ),
    # As CompVis/ldm-celebahq-256.
    "ldm": dict(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ),
}
VQ = dict(
    block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    norm_num_groups=4, sample_size=16, latent_channels=4, vq_embed_dim=3, num_vq_embeddings=40, scaling_factor=0.8,
)
SCHEDULERS = {
    "ddpm": DDPMScheduler(variance_type="fixed_small"),
    # Not squaredcos_cap_v2: its σ_max is 20,291, where k-diffusion in float32 is 2% away from itself in float64.
    "classes": DDIMScheduler(prediction_type="v_prediction", clip_sample=False),
    "learned": DDPMScheduler(variance_type="learned_range", thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=1.6, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
    "ldm": DDIMScheduler(clip_sample=False, beta_schedule="scaled_linear", beta_start=0.0015, beta_end=0.0195),
}
OLD_NAMES = ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn."))


def spread(model):
    """Weights far from their defaults (norms too), so that an omitted or swapped tensor shows."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=generator)
            if "embedding.weight" in name:
                value = 0.5 * noise
            elif tensor.dim() > 1:
                value = 0.8 * noise / tensor[0].numel() ** 0.5
            else:
                value = (1 if name.endswith("weight") else 0) + 0.1 * noise
            # Through half precision: the files hold float16, the goldens are computed in float32 from the same.
            tensor.copy_(value.half().float())
    return model.eval()


def old_names(path):
    """The names of attention's tensors before diffusers 0.18."""
    renamed = {}
    for name, tensor in load_file(path).items():
        for now, then in OLD_NAMES:
            name = name.replace(now, then) if "attentions" in name else name
        renamed[name] = tensor.contiguous()
    save_file(renamed, path, metadata={"format": "pt"})


class Inner(torch.nn.Module):
    """What k-diffusion wraps: a network with its schedule."""

    def __init__(self, unet, scheduler):
        super().__init__()
        self.unet, self.alphas_cumprod = unet, scheduler.alphas_cumprod

    def apply_model(self, x, t, cond):
        return (self.unet(x, t) if cond is None else self.unet(x, t, cond)).sample[:, : x.shape[1]]


def clean(scheduler, x):
    """What a step of the scheduler does to its estimate of the clean sample."""
    if scheduler.config.thresholding:
        return scheduler._threshold_sample(x)
    reach = scheduler.config.clip_sample_range
    return x.clamp(-reach, reach) if scheduler.config.clip_sample else x


@torch.no_grad()
def make(variant):
    folder = ROOT / variant
    shutil.rmtree(folder, ignore_errors=True)
    generator = torch.Generator().manual_seed(3)
    unet, scheduler = spread(UNet2DModel(**UNETS[variant])), SCHEDULERS[variant]
    size = unet.config.sample_size
    shape = (3, size, size) if isinstance(size, int) else (3, *size)
    labels = torch.tensor(LABELS) if unet.class_embedding is not None else None

    def network(x, t):
        return (unet(x, t) if labels is None else unet(x, t, labels)).sample

    sample = torch.randn(2, *shape, generator=generator)
    goldens = {"unet.sample": sample}
    for t in (17.0, 999.0, 3.5):
        goldens[f"unet.out_{t:g}"] = network(sample, torch.tensor(t))

    wrap = external.CompVisVDenoiser if scheduler.config.prediction_type == "v_prediction" else external.CompVisDenoiser
    denoiser = wrap(Inner(unet, scheduler))
    x = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in SEEDS])
    x = x * denoiser.sigma_max

    def run(name, model):
        goldens[f"{name}.one_step"] = model(x, denoiser.sigma_max.expand(2))
        goldens[f"{name}.heun"] = sampling.sample_heun(model, x, denoiser.get_sigmas(STEPS), disable=True)

    run("plain", lambda x, sigma: clean(scheduler, denoiser(x, sigma, cond=labels)))
    if variant == "classes":
        nothing = torch.full((2,), NO_CLASS)

        def guided(x, sigma):
            low = denoiser(x, sigma, cond=nothing)
            return clean(scheduler, low + GUIDANCE * (denoiser(x, sigma, cond=labels) - low))

        run("guided", guided)

    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    if variant == "ddpm":
        pipe = DDPMPipeline(unet, scheduler)
        goldens["pipeline"] = torch.from_numpy(pipe(2, generators, num_inference_steps=STEPS, output_type="np").images)
        assert pipe.scheduler.config.clip_sample
    elif variant == "ldm":
        vq = spread(VQModel(**VQ))
        picture = torch.randn(2, 3, 16, 16, generator=generator).clamp(-1, 1)
        latents = torch.randn(2, *shape, generator=generator)
        goldens |= {"vq.picture": picture, "vq.encoded": vq.encode(picture).latents}
        goldens |= {"vq.latents": latents, "vq.decoded": vq.decode(latents).sample}
        for name in ("one_step", "heun"):
            decoded = vq.decode(goldens[f"plain.{name}"] / vq.config.scaling_factor).sample
            goldens[f"plain.{name}_picture"] = decoded
        pipe = LDMPipeline(vq, unet, scheduler)
        goldens["pipeline"] = torch.from_numpy(
            pipe(2, generators, num_inference_steps=STEPS, output_type="np").images)
    else:
        # These pipelines pass no labels on; the folder is what a training script would save.
        pipe = (DDIMPipeline if variant == "classes" else DDPMPipeline)(unet, scheduler)

    goldens = {name: tensor.float().contiguous() for name, tensor in goldens.items()}
    pipe.to(torch.float16).save_pretrained(folder)
    if variant == "classes":
        (folder / "verbatim.json").write_text(json.dumps({"unconditionalClass": NO_CLASS, "classes": ["cat", "dog", "bus"]}) + "\n")
    if variant in ("ddpm", "ldm"):
        old_names(folder / "unet" / "diffusion_pytorch_model.safetensors")
    if variant == "ldm":
        old_names(folder / "vqvae" / "diffusion_pytorch_model.safetensors")
    save_file(goldens, folder / "goldens.safetensors")


for variant in UNETS:
    make(variant)
