"""Golden files for src/diffusion: schedules (diffusers), timesteps and samplers (k-diffusion), DDIM (diffusers),
guided one-step scores as the reference of Webster 2023 computes them.

The network is a toy perceptron with fixed weights, so that the TypeScript tests can run the same one:
  out = .9 x + tanh(x W1 + mean_tokens(c) Wc + (t / 1000) wt + b1) W2 + b2, x flattened.
Everything runs in float64. Run: .venv/bin/python make_diffusion_fixtures.py
"""

import json
from pathlib import Path

import diffusers
import numpy as np
import torch

import k_diffusion_alone as K

torch.set_num_threads(1)
OUT = Path(__file__).resolve().parents[2] / "src/diffusion/fixtures"
SHAPE, HIDDEN, TOKENS, WIDTH, BATCH, STEPS = (4, 4, 4), 24, 3, 5, 2, 6
generator = torch.Generator().manual_seed(20231)


def draw(*shape, scale=1.0):
    # Rounded to float32, so that both sides hold the same numbers.
    return (torch.randn(*shape, generator=generator) * scale).float().double()


pixels = int(np.prod(SHAPE))
W = {
    "w1": draw(pixels, HIDDEN, scale=0.15),
    "wc": draw(WIDTH, HIDDEN, scale=0.8),
    "wt": draw(HIDDEN),
    "b1": draw(HIDDEN, scale=0.3),
    "w2": draw(HIDDEN, pixels, scale=0.2),
    "b2": draw(pixels, scale=0.1),
}


def network(x, t, cond):
    flat = x.flatten(1)
    h = torch.tanh(flat @ W["w1"] + cond.mean(1) @ W["wc"] + (t / 1000)[:, None] * W["wt"] + W["b1"])
    return (0.9 * flat + h @ W["w2"] + W["b2"]).view_as(x)


class Inner(torch.nn.Module):
    def __init__(self, alphas_cumprod):
        super().__init__()
        self.alphas_cumprod = alphas_cumprod

    def apply_model(self, x, t, cond):
        return network(x, t, cond)


class Guided:
    """Classifier-free guidance as the samplers of that time wrote it: both halves in one batch."""

    def __init__(self, denoiser, cond, uncond, scale):
        self.denoiser, self.cond, self.uncond, self.scale = denoiser, cond, uncond, scale

    def __call__(self, x, sigma):
        both = torch.cat([self.uncond.expand_as(self.cond), self.cond])
        uncond, cond = self.denoiser(torch.cat([x] * 2), torch.cat([sigma] * 2), cond=both).chunk(2)
        return uncond + (cond - uncond) * self.scale


def flat(tensor):
    return [float(v) for v in np.asarray(tensor, dtype=np.float64).ravel()]


def short(tensor):
    """Results, to nine digits: enough for an agreement of 1e-4, and half the file."""
    return [float(f"{v:.9g}") for v in np.asarray(tensor, dtype=np.float64).ravel()]


def schedules():
    cases = []
    for name, config in [
        ("EulerDiscreteScheduler", {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}),
        ("EulerDiscreteScheduler", {}),
        ("HeunDiscreteScheduler", {}),
        ("KDPM2DiscreteScheduler", {}),
        ("DDIMScheduler", {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}),
        ("PNDMScheduler", {"num_train_timesteps": 100, "beta_schedule": "scaled_linear"}),
        ("DPMSolverMultistepScheduler", {"beta_start": 0.001, "beta_end": 0.01, "num_train_timesteps": 250}),
        ("DDPMScheduler", {"trained_betas": [0.01, 0.02, 0.05, 0.2], "num_train_timesteps": 4, "prediction_type": "sample"}),
    ]:
        scheduler = getattr(diffusers, name)(**config)
        alphas = scheduler.alphas_cumprod.double()
        # sigmas from the scheduler's betas: in its float32 products 1 - alphas is off by up to 6e-4 at t = 0.
        exact = torch.cumprod(1 - scheduler.betas.double(), 0)
        assert torch.allclose(exact, alphas, rtol=1e-4)
        sigmas = ((1 - exact) / exact).sqrt()
        at = sorted({0, 1, 2, 3, len(sigmas) // 3, len(sigmas) // 2, len(sigmas) - 2, len(sigmas) - 1} & set(range(len(sigmas))))
        cases.append(
            {
                "config": {"_class_name": name, **config},
                "timesteps": len(sigmas),
                "at": at,
                "alphasCumprod": short(alphas[at]),
                "sigmas": short(sigmas[at]),
            }
        )
    return cases


def main():
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
    alphas = torch.from_numpy(np.cumprod(1 - betas))
    cond, uncond = draw(BATCH, TOKENS, WIDTH), draw(1, TOKENS, WIDTH)
    noise = draw(BATCH, *SHAPE)
    step_noise = draw(STEPS, BATCH, *SHAPE)
    denoisers = {
        "epsilon": K.external.CompVisDenoiser(Inner(alphas)),
        "v_prediction": K.external.CompVisVDenoiser(Inner(alphas)),
    }
    schedule = denoisers["epsilon"]
    karras = K.sampling.get_sigmas_karras(STEPS, schedule.sigma_min.item(), schedule.sigma_max.item()).double()
    plain = schedule.get_sigmas(STEPS).double()
    assert torch.allclose(K.sampling.get_sigmas_karras(1, 0.0291672, schedule.sigma_max.item()), torch.tensor([schedule.sigma_max.item(), 0.0]))

    probe = torch.tensor([0.01, 0.0291672, 0.03, 0.1, 0.7, 1.0, 3.3, 5.0, 14.6, schedule.sigma_max.item(), 20.0]).double()
    one = lambda model, x, sigma: model(x, torch.full([BATCH], float(sigma), dtype=torch.float64))

    runs = []
    for kind, denoiser in denoisers.items():
        model = Guided(denoiser, cond, uncond, 3.0)
        for spacing, sigmas in [("karras", karras), ("plain", plain)]:
            x = noise * sigmas[0]
            feed = lambda: (lambda it: (lambda a, b: next(it)))(iter(step_noise))
            for name, run in {
                "heun": lambda: K.sampling.sample_heun(model, x, sigmas, disable=True, callback=keep),
                "euler": lambda: K.sampling.sample_euler(model, x, sigmas, disable=True, callback=keep),
                "euler-ancestral": lambda: K.sampling.sample_euler_ancestral(model, x, sigmas, disable=True, callback=keep, noise_sampler=feed()),
                "dpmpp-2m": lambda: K.sampling.sample_dpmpp_2m(model, x, sigmas, disable=True, callback=keep),
            }.items():
                path = []
                keep = lambda state: path.append(state["x"].clone())
                result = run()
                # The whole batch at the end, the first sample's first row along the way.
                runs.append(
                    {
                        "sampler": name,
                        "parametrization": kind,
                        "spacing": spacing,
                        "path": [short(x_i[0, 0, 0]) for x_i in path],
                        "result": short(result),
                    }
                )

    ddim = []
    for kind in ["epsilon", "v_prediction", "sample"]:
        for eta in [0.0, 0.6, 1.0]:
            scheduler = diffusers.DDIMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                set_alpha_to_one=True, prediction_type=kind, timestep_spacing="trailing",
            )
            scheduler.alphas_cumprod = alphas.clone()
            scheduler.set_timesteps(5)
            a = alphas[scheduler.timesteps[0]]
            sigma0 = ((1 - a) / a).sqrt()
            x = noise * sigma0 * a.sqrt()
            for i, t in enumerate(scheduler.timesteps):
                out = network(x, t.double().expand(BATCH), cond)
                x = scheduler.step(out, int(t), x, eta=eta, variance_noise=step_noise[i]).prev_sample
            ddim.append({"parametrization": kind, "eta": eta, "timesteps": scheduler.timesteps.tolist(), "result": short(x)})

    scores = []
    for kind, denoiser in denoisers.items():
        for scale in [1.0, 7.5]:
            model = Guided(denoiser, cond, uncond, scale)
            # One noise for all captions, as the reference's shared seeds give.
            x = noise[:1].expand(BATCH, *SHAPE) * schedule.sigma_max
            sigmas = torch.tensor([schedule.sigma_max.item(), 0.0]).double()
            output = K.sampling.sample_heun(model, x, sigmas, disable=True)
            scores.append({"parametrization": kind, "guidance": scale, "dcs": short((x - output).pow(2).flatten(1).mean(1)), "output": short(output)})

    fixture = {
        "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
        "shape": SHAPE, "batch": BATCH, "hidden": HIDDEN, "tokens": TOKENS, "width": WIDTH,
        "weights": {name: flat(value) for name, value in W.items()},
        "condition": flat(cond), "unconditional": flat(uncond), "noise": flat(noise), "stepNoise": flat(step_noise),
        "schedules": schedules(),
        "sigmaMin": schedule.sigma_min.item(), "sigmaMax": schedule.sigma_max.item(),
        "karras": flat(karras), "plain": flat(plain), "plain1": flat(schedule.get_sigmas(1)),
        "probe": {
            "sigmas": flat(probe),
            "timesteps": flat(schedule.sigma_to_t(probe)),
            "quantized": [int(v) for v in schedule.sigma_to_t(probe, quantize=True)],
        },
        "denoised": {
            kind: [{"sigma": s, "result": short(one(lambda x, sig: d(x, sig, cond=cond), noise * s, s))} for s in [0.05, 1.0, 14.0]]
            for kind, d in denoisers.items()
        },
        "runs": runs, "guidance": 3.0, "ddim": ddim, "scores": scores,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "diffusion.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")


main()
