"""Golden files for Stable Diffusion 2 and XL in full, and for single-file checkpoints.

Run from the repository's root: bench/peers/.venv/bin/python bench/peers/make_single_file_fixtures.py
(after make_model_fixtures.py). Writes src/models/fixtures/{sd2v,sdxl}/: small random-weight models as diffusers saves
them, float16, with goldens.safetensors (text states, UNet, and what diffusers' own pipeline makes in one step and in
16). For sd1, sd2v and sdxl it writes single-file.json: the names of Stability's original checkpoint, each with the
diffusers tensors that it is made of, so that a test can write the file. diffusers' own converters of single files
must give back every tensor bit for bit, else this script fails.
"""

import sys

sys.modules["torchvision"] = None  # Not needed; a build for another torch breaks the import of transformers.

import json
import re
import shutil
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import (
    AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint, convert_open_clip_checkpoint,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

torch.set_num_threads(1)
diffusers.utils.logging.disable_progress_bar()
ROOT = Path(__file__).resolve().parents[2] / "src" / "models" / "fixtures"
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
CAPTIONS, SEEDS, GUIDANCE, STEPS = ["a red bicycle", "Sunflowers, poster 50x70"], [0, 3], 5.0, 16
VAE = dict(
    block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    norm_num_groups=4, sample_size=16, latent_channels=4,
)
UNETS = {
    "sd2v": dict(
        sample_size=8, block_out_channels=(16, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32, attention_head_dim=[2, 4], use_linear_projection=True,
    ),
    "sdxl": dict(
        sample_size=8, block_out_channels=(16, 24), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=56, attention_head_dim=[2, 4], use_linear_projection=True,
        transformer_layers_per_block=[1, 2], addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=20 + 6 * 8,
    ),
}
# 639 is the end of text; the padding of OpenCLIP is id 0. eos_token_id 2 is the old files' mistake, XL has it still.
TEXT = dict(vocab_size=640, max_position_embeddings=77, bos_token_id=638, pad_token_id=0)
TEXTS = {
    "sd2v": [(CLIPTextModel, dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, hidden_act="gelu", eos_token_id=639))],
    "sdxl": [
        (CLIPTextModel, dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, hidden_act="quick_gelu", eos_token_id=2)),
        (CLIPTextModelWithProjection, dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, hidden_act="gelu", projection_dim=20, eos_token_id=2)),
    ],
}


def spread(model, seed, scale=1.0):
    """As in make_model_fixtures.py: weights far from their defaults, rounded to float16."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=generator)
            fan_in = tensor[0].numel() if tensor.dim() > 1 else 0
            if "embedding.weight" in name and tensor.dim() == 2:
                value = 0.5 * noise
            elif fan_in:
                value = scale * noise / fan_in**0.5
            else:
                value = 1 + 0.2 * noise if name.endswith("weight") else 0.1 * noise
            tensor.copy_(value.half().float())
    return model.eval()


def make(variant):
    folder = ROOT / variant
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unet = spread(UNet2DConditionModel(**UNETS[variant]), 7, 0.7)
    vae = spread(AutoencoderKL(**VAE, scaling_factor=0.13025 if variant == "sdxl" else 0.18215), 8, 0.8)
    unet.half().save_pretrained(folder / "unet")
    vae.half().save_pretrained(folder / "vae")
    texts = {}
    for i, (cls, config) in enumerate(TEXTS[variant]):
        part = ["text_encoder", "text_encoder_2"][i]
        spread(cls(CLIPTextConfig(**TEXT, **config)), 9 + i).half().save_pretrained(folder / part)
        texts[part] = ["transformers", cls.__name__]
        tokenizer = folder / part.replace("text_encoder", "tokenizer")
        shutil.copytree(ROOT / "tokenizer", tokenizer, ignore=shutil.ignore_patterns("captions.txt", "goldens.json"))
        texts[tokenizer.name] = ["transformers", "CLIPTokenizer"]
        if cls is CLIPTextModelWithProjection or variant == "sd2v":
            for name in ("tokenizer_config.json", "special_tokens_map.json"):
                file = tokenizer / name
                file.write_text(json.dumps(json.loads(file.read_text()) | {"pad_token": "!"}, indent=2) + "\n")
    (folder / "scheduler").mkdir()
    scheduler = {
        "_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000, **BETAS, "steps_offset": 1,
        "prediction_type": "v_prediction" if variant == "sd2v" else "epsilon", "timestep_spacing": "leading",
        "interpolation_type": "linear", "use_karras_sigmas": False, "trained_betas": None,
    }
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2) + "\n")
    index = {
        "_class_name": "StableDiffusionXLPipeline" if variant == "sdxl" else "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__, "feature_extractor": [None, None], **texts,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"], "image_encoder": [None, None],
    }
    index |= {"force_zeros_for_empty_prompt": True} if variant == "sdxl" else {"safety_checker": [None, None], "requires_safety_checker": False}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def plain_sigmas(steps):
    """k-diffusion's get_sigmas: even in training timesteps, log-linear between them, then the 0 that diffusers wants too."""
    alphas = np.cumprod(1 - np.linspace(BETAS["beta_start"] ** 0.5, BETAS["beta_end"] ** 0.5, 1000) ** 2)
    log = np.log(((1 - alphas) / alphas) ** 0.5)
    return [*np.exp(np.interp(np.linspace(999, 0, steps), np.arange(1000), log)).tolist(), 0.0]


@torch.no_grad()
def goldens(variant):
    folder = ROOT / variant
    xl = variant == "sdxl"
    cls = StableDiffusionXLPipeline if xl else StableDiffusionPipeline
    pipe = cls.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    # The sigmas are given below; linspace makes the pipeline start at sigma_max itself, not at its square root with 1.
    prediction = json.loads((folder / "scheduler/scheduler_config.json").read_text())["prediction_type"]
    pipe.scheduler = EulerDiscreteScheduler(**BETAS, timestep_spacing="linspace", prediction_type=prediction)
    found = {}
    if xl:
        states, none, pooled, none_pooled = pipe.encode_prompt(CAPTIONS, device="cpu", do_classifier_free_guidance=True)
        found |= {"text.pooled": pooled, "text.pooled_empty": none_pooled}
    else:
        states, none = pipe.encode_prompt(CAPTIONS, "cpu", 1, True)
    found |= {"text.states": states, "text.empty": none}
    size = pipe.unet.config.sample_size
    sample = torch.randn(2, 4, size, size, generator=torch.Generator().manual_seed(5))
    added = {}
    if xl:
        side = float(size * pipe.vae_scale_factor)
        added = {"text_embeds": pooled, "time_ids": torch.tensor([[side, side, 0, 0, side, side]] * 2)}
    found |= {"unet.sample": sample, "unet.out_500": pipe.unet(sample, torch.tensor(500.0), states, added_cond_kwargs=added).sample}

    def run(sigmas, output):
        generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
        return pipe(CAPTIONS, sigmas=sigmas, generator=generators, guidance_scale=GUIDANCE, output_type=output).images

    for name, sigmas in (("one", plain_sigmas(1)), ("sixteen", plain_sigmas(STEPS))):
        found[f"pipeline.{name}"] = run(sigmas, "latent")
        found[f"pipeline.{name}_picture"] = run(sigmas, "pt")
    found = {name: tensor.detach().clone().contiguous() for name, tensor in found.items()}
    path = ROOT / variant / "pipeline.safetensors"
    save_file(found, path)
    print(variant, {name: f"{tensor.abs().max():.3f}" for name, tensor in found.items()})


# The original names, from the layout of the CompVis / Stability modules (openaimodel.py, model.py, open_clip).
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def original_unet(config, names):
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    place = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0", "conv_out": "out.2", "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1", "mid_block.resnets.1": "middle_block.2"}
    number = 1
    for block in range(levels):
        for layer in range(layers):
            place[f"down_blocks.{block}.resnets.{layer}"] = f"input_blocks.{number}.0"
            place[f"down_blocks.{block}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        place[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
        number += 1
    number = 0
    for block in range(levels):
        for layer in range(layers + 1):
            place[f"up_blocks.{block}.resnets.{layer}"] = f"output_blocks.{number}.0"
            place[f"up_blocks.{block}.attentions.{layer}"] = f"output_blocks.{number}.1"
            number += 1
        slot = 2 if config["up_block_types"][block].startswith("CrossAttn") else 1
        place[f"up_blocks.{block}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{slot}.conv"
    found = {}
    for name in names:
        prefix = max((p for p in place if name.startswith(p + ".")), key=len)
        rest = name[len(prefix):]
        if ".resnets." in prefix + ".":
            part = rest[1:].split(".")[0]
            rest = "." + RESNET[part] + rest[1 + len(part):]
        found["model.diffusion_model." + place[prefix] + rest] = [name]
    return found


def original_vae(config, names):
    levels = len(config["block_out_channels"])
    found = {}
    for name in names:
        new = re.sub(r"\.mid_block\.resnets\.(\d)", lambda m: f".mid.block_{int(m[1]) + 1}", name)
        new = new.replace(".mid_block.attentions.0", ".mid.attn_1").replace(".group_norm.", ".norm.")
        for now, then in ((".to_q.", ".q."), (".to_k.", ".k."), (".to_v.", ".v."), (".to_out.0.", ".proj_out."), (".query.", ".q."), (".key.", ".k."), (".value.", ".v."), (".proj_attn.", ".proj_out.")):
            new = new.replace(now, then)
        new = re.sub(r"\.down_blocks\.(\d)\.", r".down.\1.", new)
        new = re.sub(r"\.up_blocks\.(\d)\.", lambda m: f".up.{levels - 1 - int(m[1])}.", new)
        new = new.replace(".resnets.", ".block.").replace(".downsamplers.0.", ".downsample.").replace(".upsamplers.0.", ".upsample.")
        new = new.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        found["first_stage_model." + new] = [name]
    return found


def original_open_clip(prefix, names):
    names = {name.removeprefix("text_model."): name for name in names}
    found = {}
    for bare, name in names.items():
        if bare == "text_projection.weight":
            found[prefix + "text_projection"] = [name]
            continue
        new = bare.replace("embeddings.token_embedding", "token_embedding").replace("embeddings.position_embedding.weight", "positional_embedding")
        new = new.replace("encoder.layers", "transformer.resblocks").replace("layer_norm", "ln_").replace("final_ln_", "ln_final").replace("mlp.fc1", "mlp.c_fc").replace("mlp.fc2", "mlp.c_proj").replace("self_attn", "attn")
        if ".k_proj." in new or ".v_proj." in new:
            continue
        if ".q_proj." in new:
            kind = new.split(".")[-1]
            new = new.replace(f"q_proj.{kind}", f"in_proj_{kind}")
            found[prefix + new] = [name, name.replace("q_proj", "k_proj"), name.replace("q_proj", "v_proj")]
        else:
            found[prefix + new] = [name]
    return found


def load(variant, part):
    stem = "model" if part.startswith("text") else "diffusion_pytorch_model"
    return json.loads((ROOT / variant / part / "config.json").read_text()), load_file(ROOT / variant / part / f"{stem}.safetensors")


def single_file(variant):
    """original name → [part, diffusers names]; several names are stacked, text_projection is transposed."""
    parts = {name: load(variant, name) for name in ("unet", "vae", "text_encoder")}
    map_ = {k: ["unet", v] for k, v in original_unet(parts["unet"][0], parts["unet"][1]).items()}
    map_ |= {k: ["vae", v] for k, v in original_vae(parts["vae"][0], parts["vae"][1]).items()}
    text = parts["text_encoder"][1]
    full = lambda name: name if name.startswith("text_model.") else "text_model." + name
    if variant == "sd1":
        map_ |= {"cond_stage_model.transformer." + full(name): ["text_encoder", [name]] for name in text}
    elif variant == "sd2v":
        map_ |= {k: ["text_encoder", v] for k, v in original_open_clip("cond_stage_model.model.", text).items()}
    else:
        parts["text_encoder_2"] = load(variant, "text_encoder_2")
        map_ |= {"conditioner.embedders.0.transformer." + full(name): ["text_encoder", [name]] for name in text}
        map_ |= {k: ["text_encoder_2", v] for k, v in original_open_clip("conditioner.embedders.1.model.", parts["text_encoder_2"][1]).items()}
    assert sum(len(names) for _, names in map_.values()) == sum(len(t) for _, t in parts.values())

    checkpoint = {}
    for key, (part, names) in map_.items():
        tensor = torch.cat([parts[part][1][name] for name in names])
        if key.endswith("text_projection"):
            tensor = tensor.T.contiguous()
        if key.startswith("first_stage_model") and ".attn_1." in key and tensor.dim() == 2:
            tensor = tensor[:, :, None, None]
        checkpoint[key] = tensor.contiguous()

    def same(back, part, rename=lambda name: name):
        wanted = parts[part][1]
        assert set(map(rename, wanted)) <= set(back), (part, sorted(set(map(rename, wanted)) - set(back))[:5])
        for name, tensor in wanted.items():
            assert torch.equal(back[rename(name)].reshape(tensor.shape), tensor), name

    now = lambda name: name.replace(".query.", ".to_q.").replace(".key.", ".to_k.").replace(".value.", ".to_v.").replace(".proj_attn.", ".to_out.0.")
    same(convert_ldm_unet_checkpoint(dict(checkpoint), parts["unet"][0]), "unet")
    same(convert_ldm_vae_checkpoint(dict(checkpoint), parts["vae"][0]), "vae", now)
    for part, prefix in (("text_encoder", "cond_stage_model.model."), ("text_encoder_2", "conditioner.embedders.1.model.")):
        if any(key.startswith(prefix) for key in checkpoint):
            model = CLIPTextModelWithProjection(CLIPTextConfig(**parts[part][0]))
            # diffusers looks for 'text_projection' to know the width; SD 2's file has one that it does not use.
            source = dict(checkpoint)
            width = parts[part][0]["hidden_size"]
            source.setdefault(prefix + "text_projection", torch.zeros(width, width))
            back = convert_open_clip_checkpoint(model, source, prefix=prefix)
            same({full(k) if not k.startswith("text_projection") else k: v for k, v in back.items()}, part, lambda name: name if name.startswith("text_projection") else full(name))
    path = ROOT / variant / "single-file.json"
    path.write_text(json.dumps(map_, separators=(",", ":")) + "\n")
    print(path.name, variant, len(map_), "tensors,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    for variant in ("sd2v", "sdxl"):
        make(variant)
    for variant in ("sd1", "sd2v", "sdxl"):
        goldens(variant)
        single_file(variant)
