"""Golden files for DeepFloyd IF's first stage: T5's tokenizer and encoder, the UNet, and IFPipeline from caption to picture.

Run from the repository's root: bench/peers/.venv/bin/python bench/peers/make_if_fixtures.py
Writes src/models/fixtures/if/ (a folder of an IFPipeline with random weights, float16, and goldens.safetensors) and
src/models/fixtures/t5/: tokenizers with their goldens.json, an encoder without gates.

The vocabularies are trained only when a file of captions, one a line, is given as an argument; else the committed ones
are kept. (The committed ones come from the 1,000 LAION captions of the NeMo repository, ml-research 2024.)
"""

import sys

sys.modules["torchvision"] = None  # Not needed; a build for another torch breaks the import of transformers.

import importlib
import json
import shutil
from pathlib import Path

import diffusers
import numpy as np
import sentencepiece
import torch
from diffusers import DDPMScheduler, IFPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from k_diffusion_alone import external, sampling

torch.set_num_threads(1)
diffusers.utils.logging.disable_progress_bar()
ROOT = Path(__file__).resolve().parents[2] / "src" / "models" / "fixtures"
CAPTIONS, SEEDS, GUIDANCE, STEPS = ["A red bicycle ", "Sunflowers, poster 50x70 \u2014 caf\u00e9"], [0, 3], 3.0, 16
T5 = dict(vocab_size=640, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=3, relative_attention_num_buckets=16, relative_attention_max_distance=40)
UNET = dict(
    sample_size=8, in_channels=3, out_channels=6, block_out_channels=(4, 8, 8), layers_per_block=1, norm_num_groups=4,
    down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"),
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    up_block_types=("SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    # A list shows which block takes which: the ascending ones count theirs from the front too.
    attention_head_dim=[2, 4, 8], cross_attention_dim=32, encoder_hid_dim=32, addition_embed_type="text",
    addition_embed_type_num_heads=4, cross_attention_norm="group_norm", resnet_time_scale_shift="scale_shift", act_fn="gelu",
)
# As DeepFloyd/IF-I-XL-v1.0.
SCHEDULER = dict(
    beta_schedule="squaredcos_cap_v2", thresholding=True, dynamic_thresholding_ratio=0.95, sample_max_value=1.5,
    prediction_type="epsilon", variance_type="learned_range",
)
TEXTS = [
    "", " ", "a", "a red bicycle", "A Red Bicycle", "  two  spaces   inside  ", "tabs\tand\nnewlines\r\n", "\u00a0no-break\u00a0space\u3000ideographic",
    "zero\u200bwidth \u200d joiner \ufeff bom", "soft\u00adhyphen", "control\u0007bell \u0000 nul \u007f del \u0085 nel", "line\u2028paragraph\u2029end", "ogham\u1680mark",
    "caf\u00e9 cafe\u0301 \u00c5 A\u030a \u212b", "\ufb01ne \ufb03 \u2460 \u00bd \u2122 \u338f x\u00b2 \uff26\uff55\uff4c\uff4c \uff76\uff9e", "\u1112\u1161\u11ab\u1100\u1173\u11af \ud55c\uae00",
    "\u0391\u03b8\u03ae\u03bd\u03b1 \u041c\u043e\u0441\u043a\u0432\u0430 \u0130stanbul \u00df\u1e9e", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \u4e2d\u6587\u6a19\u984c", "\u0639\u0631\u0628\u064a \u05e2\u05d1\u05e8\u05d9\u05ea \u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \u2764\ufe0f party\U0001f389\U0001f389", "\U0001d400\U0001d401 \U0001d7d8", "it's \u201cquoted\u201d \u2018so\u2019 \u2014 dash \u2013 dash ~ \uff5e \u301c",
    "<pad>", "a </s> b", "x<unk>y", "<extra_id_0> and <extra_id_99>", "<EXTRA_ID_0>", "\u2581underline \u2581 \u2581\u2581x", "https://example.com/a?b=c&d=%20", "&amp; &quot;q&quot; <b>bold</b>",
    "1234567890 50x70 $9.99 #hash @name", "!!!???...", "zzzzqqqqxxxx", "\u2603\u2603\u2603 snow \u2603", "a\u0300\u0301\u0302\u0303\u0304 stacked", "\u0e33 \u0e40\u0e01\u0e32\u0e30", "\u1e9b\u0323 \u01c4 \u0132 \u2126 \u2150",
    "The quick brown fox jumps over the lazy dog. " * 12, "long" * 60, "\u00e9" * 200,
]


def train(captions):
    common = dict(input=captions, model_type="unigram", num_threads=1, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
    # T5's own way of normalising, whose map takes most of the file.
    sentencepiece.SentencePieceTrainer.train(model_prefix=str(ROOT / "if/tokenizer/spiece"), vocab_size=500, character_coverage=0.999, normalization_rule_name="nmt_nfkc", **common)
    sentencepiece.SentencePieceTrainer.train(
        model_prefix=str(ROOT / "t5/bytes"), vocab_size=400, character_coverage=0.99, normalization_rule_name="identity",
        byte_fallback=True, add_dummy_prefix=False, remove_extra_whitespaces=False, user_defined_symbols=["<cat>", "bicycle"], **common)
    for name in ("if/tokenizer/spiece", "t5/bytes"):
        (ROOT / f"{name}.vocab").unlink()
        # The file says where it was made from what.
        path = ROOT / f"{name}.model"
        proto = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
        for field in ("input", "model_prefix"):
            proto.trainer_spec.ClearField(field)
        path.write_bytes(proto.SerializeToString())


def tokenizers():
    folder = ROOT / "if/tokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "additional_special_tokens": [f"<extra_id_{i}>" for i in range(100)], "eos_token": "</s>", "extra_ids": 100,
        "model_max_length": 512, "pad_token": "<pad>", "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>",
    }, indent=1) + "\n")
    fast = T5Tokenizer.from_pretrained(folder)
    # The map stands in spiece.model; the test puts it back.
    whole = json.loads(fast.backend_tokenizer.to_str())
    whole["normalizer"]["precompiled_charsmap"] = ""
    (ROOT / "t5/tokenizer.json").write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n")
    slow = sentencepiece.SentencePieceProcessor(str(folder / "spiece.model"))
    bytes_ = sentencepiece.SentencePieceProcessor(str(ROOT / "t5/bytes.model"))
    rows, apart = [], []
    for text in TEXTS:
        found = fast(text, padding="max_length", max_length=77, truncation=True)
        row = {
            "text": text, "normalized": slow.normalize(text), "sentencepiece": slow.encode(text),
            "transformers": fast(text, add_special_tokens=False)["input_ids"], "padded": found["input_ids"], "mask": sum(found["attention_mask"]),
            "bytes": bytes_.encode(text),
        }
        rows.append(row)
        if row["sentencepiece"] != row["transformers"]:
            apart.append(text)
    print(len(fast), "tokens;", len(apart), "of", len(TEXTS), "texts differ between sentencepiece and transformers:", apart)
    (ROOT / "t5/goldens.json").write_text(json.dumps(rows, ensure_ascii=True, separators=(",", ":")).replace('},{"text"', '},\n{"text"') + "\n")
    made_by_hand()
    return fast


def made_by_hand():
    """A vocabulary in which many ways to segment are equally probable, and a user's symbol that others may beat."""
    proto = sentencepiece_model_pb2.ModelProto()
    kinds = proto.SentencePiece.Type
    for piece, score, kind in [
        ("<unk>", 0, "UNKNOWN"), ("a", -1, "NORMAL"), ("aa", -2, "NORMAL"), ("aaa", -3, "NORMAL"), ("b", -1, "NORMAL"),
        ("ab", -2, "NORMAL"), ("ba", -2, "NORMAL"), ("bab", -3, "NORMAL"), ("bb", -2.5, "USER_DEFINED"), ("c", -0.5, "UNUSED"),
        ("bbc", -9, "USER_DEFINED"), ("\u00e9b", -1, "USER_DEFINED"),
    ]:
        proto.pieces.add(piece=piece, score=score, type=kinds.Value(kind))
    proto.trainer_spec.model_type = 1
    proto.normalizer_spec.add_dummy_prefix = False
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    texts = ["a" * n for n in range(1, 9)] + ["ababab", "babbab", "bb", "bbb", "abbbbaab", "bbc", "c", "acb", "\u00e9b", "a\u00e9ba"]
    rows = [{"text": text, "ids": processor.encode(text)} for text in texts]
    (ROOT / "t5/ties.json").write_text(json.dumps({"model": proto.SerializeToString().hex(), "rows": rows}, separators=(",", ":")) + "\n")
    print(rows)


def spread(model, seed, scale=1.0):
    """Weights far from their defaults (norms too), rounded to float16, so that an omitted or swapped tensor shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=generator)
            if "shared" in name or "embed_tokens" in name or "relative_attention_bias" in name:
                value = noise
            elif "positional_embedding" in name:
                value = 0.5 * noise
            elif tensor.dim() > 1:
                value = scale * noise / tensor[0].numel() ** 0.5
            else:
                value = (1 if name.endswith("weight") else 0) + 0.1 * noise
            tensor.copy_(value.half().float())
    return model.eval()


@torch.no_grad()
def encoder_without_gates():
    model = spread(T5EncoderModel(T5Config(**{**T5, "vocab_size": 40, "num_heads": 2, "relative_attention_num_buckets": 6, "relative_attention_max_distance": 10}, feed_forward_proj="relu")), 11)
    ids = torch.randint(0, 40, (2, 24), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(2, 24)
    mask[0, 5:] = 0
    states = model(ids, attention_mask=mask).last_hidden_state
    model.half().save_pretrained(ROOT / "t5/relu")
    save_file({"ids": ids.to(torch.int32), "mask": mask, "states": states.contiguous()}, ROOT / "t5/relu/goldens.safetensors")


class Inner(torch.nn.Module):
    """What k-diffusion wraps: a network with its schedule."""

    def __init__(self, unet, alphas):
        super().__init__()
        self.unet, self.alphas_cumprod = unet, alphas

    def apply_model(self, x, t, cond):
        return self.unet(x, t, cond).sample[:, : x.shape[1]]


@torch.no_grad()
def pipeline(tokenizer):
    folder = ROOT / "if"
    unet = spread(UNet2DConditionModel(**UNET), 7, 0.8)
    encoder = spread(T5EncoderModel(T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)), 8)
    scheduler = DDPMScheduler(**SCHEDULER)
    pipe = IFPipeline(tokenizer, encoder, unet, scheduler, None, None, None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    # Without bs4 and ftfy, or asked not to clean: lower case and no white space at the ends.
    states, empty = pipe.encode_prompt(CAPTIONS, clean_caption=False)
    sample = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    found = {"text.states": states, "text.empty": empty[:1], "unet.sample": sample}
    for t in (17.0, 999.0, 3.5):
        found[f"unet.out_{t:g}"] = unet(sample, torch.tensor(t), states).sample

    def run(name, betas, dtype):
        """One step from sigma_max, and 16 of Euler, guided: by k-diffusion."""
        alphas = torch.cumprod(1 - betas, 0)
        denoiser = external.CompVisDenoiser(Inner(unet.to(dtype), alphas.to(dtype))).to(dtype)
        # Sums up in float64 and is rounded once; k-diffusion has everything in the network's type.
        denoiser.sigmas = (((1 - alphas) / alphas) ** 0.5).to(dtype)
        denoiser.log_sigmas = denoiser.sigmas.log()
        x = torch.stack([torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in SEEDS]).to(dtype)
        c, none = states.to(dtype), empty.to(dtype)

        def free(x, sigma):
            low = denoiser(x, sigma, cond=none)
            return low + GUIDANCE * (denoiser(x, sigma, cond=c) - low)

        limited = lambda x, sigma: scheduler._threshold_sample(free(x, sigma))
        top = denoiser.sigmas[-1]
        out = {f"{name}.one_step_free": free(x * top, top.expand(2)), f"{name}.one_step": limited(x * top, top.expand(2))}
        out[f"{name}.euler"] = sampling.sample_euler(limited, x * top, denoiser.get_sigmas(STEPS), disable=True)
        unet.float()
        return out

    # In float64, since sigma_max is 20,291; how far k-diffusion in float32 ends from it is printed.
    bar = lambda t: np.cos((t / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    cosine = torch.tensor([min(1 - bar(t + 1) / bar(t), 0.999) for t in range(1000)], dtype=torch.float64)
    found |= run("cosine", cosine, torch.float64)
    for name, tensor in run("cosine", cosine, torch.float32).items():
        print("float32 against float64:", name, float((tensor - found[name]).abs().max() / found[name].abs().max()))
    # With Stable Diffusion's schedule, whose sigma_max is 14.6, rounding is no matter.
    found |= run("scaled", torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, torch.float64)

    # Its own sampling, from caption to picture, with the variance that we step with.
    pipe.scheduler = DDPMScheduler(**{**SCHEDULER, "variance_type": "fixed_small"})
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    found["pipeline"] = torch.from_numpy(
        pipe(CAPTIONS, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generators, output_type="np", clean_caption=False).images)
    pipe.scheduler = scheduler

    found = {name: tensor.detach().float().contiguous() for name, tensor in found.items()}
    for part in ("unet", "text_encoder", "scheduler"):
        shutil.rmtree(folder / part, ignore_errors=True)
    unet.half().save_pretrained(folder / "unet")
    encoder.half().save_pretrained(folder / "text_encoder")
    scheduler.save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps({
        "_class_name": "IFPipeline", "_diffusers_version": diffusers.__version__, "feature_extractor": [None, None],
        "requires_safety_checker": False, "safety_checker": [None, None], "scheduler": ["diffusers", "DDPMScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"], "tokenizer": ["transformers", "T5Tokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "watermarker": [None, None],
    }, indent=1) + "\n")
    save_file(found, folder / "goldens.safetensors")
    print({name: (tuple(tensor.shape), f"{tensor.abs().max():.3f}") for name, tensor in found.items()})
    # The folder as it stands opens with diffusers, and encodes the same.
    again = IFPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    assert torch.equal(again.encode_prompt(CAPTIONS)[0], found["text.states"])


for folder in ("if/tokenizer", "t5"):
    (ROOT / folder).mkdir(parents=True, exist_ok=True)
if len(sys.argv) > 1:
    train(sys.argv[1])
tokenizer = tokenizers()
encoder_without_gates()
pipeline(tokenizer)
