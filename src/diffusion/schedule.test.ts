import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { scheduleFromConfig, stableDiffusionSchedule } from './schedule.ts';
import { refuseLimits, schedulerFieldNames } from './scheduler-fields.ts';
import { karrasSigmas, plainSigmas } from './spacing.ts';
import { readGolden, relativeError } from './testing/toy.ts';
import { sigmaToTimestep, timestepToSigma } from './timesteps.ts';

const golden = readGolden();
const { sigmas } = stableDiffusionSchedule('epsilon');

describe('scheduleFromConfig', () => {
  it.each(golden.schedules.map((entry) => [JSON.stringify(entry.config), entry] as const))(
    'agrees with diffusers: %s',
    (_, entry) => {
      const schedule = scheduleFromConfig(entry.config, 'scheduler_config.json');
      expect(schedule.sigmas.length).toBe(entry.timesteps);
      entry.at.forEach((timestep, i) => {
        expect(Math.abs(schedule.sigmas[timestep]! / entry.sigmas[i]! - 1)).toBeLessThan(1e-5);
        // diffusers multiplies in float32.
        expect(Math.abs(schedule.alphasCumprod[timestep]! / entry.alphasCumprod[i]! - 1)).toBeLessThan(1e-4);
      });
      expect(schedule.parametrization).toBe(entry.config['prediction_type'] ?? 'epsilon');
    },
  );

  it('knows the ends of Stable Diffusion’s schedule', () => {
    expect(sigmas[0]).toBeCloseTo(0.0291672, 7);
    expect(sigmas[999]).toBeCloseTo(14.614641, 6);
  });

  it.each([
    [{ prediction_type: 'flow_prediction' }, '"prediction_type" is "flow_prediction"'],
    [{ beta_schedule: 'sigmoid' }, '"beta_schedule" is "sigmoid"'],
    [
      { _class_name: 'FlowMatchEulerDiscreteScheduler' },
      '"_class_name" is "FlowMatchEulerDiscreteScheduler"',
    ],
    [{ _class_name: 'constructor' }, '"_class_name" is "constructor"'],
    [
      { rescale_betas_zero_snr: true },
      'pure noise, from which a network that predicts ε tells nothing of the picture; set "prediction_type"',
    ],
    [
      { _class_name: 'PNDMScheduler', prediction_type: 'v_prediction', rescale_betas_zero_snr: true },
      '"rescale_betas_zero_snr" is ignored by PNDMScheduler',
    ],
    [{ rescale_betas_zero_snr: 'yes' }, '"rescale_betas_zero_snr"'],
    [{ use_flow_sigmas: true }, '"use_flow_sigmas" is not supported; set it to false'],
    [{ timestep_type: 'continuous' }, '"timestep_type" is not supported; set it to "discrete"'],
    [{ predict_epsilon: false }, '"predict_epsilon" is not supported'],
    [{ use_dynamic_shifting: true }, '"use_dynamic_shifting" is not supported'],
    [{ step_offset: 1 }, 'unknown field "step_offset"; did you mean "steps_offset"?'],
    [{ beta_end: 3 }, '"beta_end"'],
    [{ num_train_timesteps: 1.5 }, '"num_train_timesteps"'],
    [{ trained_betas: [0.1, 0.2] }, '"trained_betas" has 2 values'],
    [[], 'the file'],
  ])('refuses %j and names the key and the file', (config, message) => {
    const read = () => scheduleFromConfig(config, 'model/scheduler/scheduler_config.json');
    expect(read).toThrow(VerbatimError);
    expect(read).toThrow(message);
    expect(read).toThrow('model/scheduler/scheduler_config.json');
  });
});

describe('fields of a scheduler', () => {
  /** Arguments of the classes that we take, listed out of diffusers 0.42.1 by bench/peers/list_scheduler_fields.py. */
  const listed = JSON.parse(
    readFileSync(new URL('./fixtures/scheduler-fields.json', import.meta.url), 'utf8'),
  ) as Record<string, Record<string, unknown>>;

  it.each(Object.entries(listed))('with the defaults of diffusers, all of %s are read', (name, config) => {
    const schedule = scheduleFromConfig({ _class_name: name, ...config }, 'here');
    const plain = scheduleFromConfig({ _class_name: name }, 'here');
    expect(schedule.sigmas).toEqual(plain.sigmas);
    expect(schedule.parametrization).toBe(plain.parametrization);
  });

  it('that say how to sample do not change the schedule', () => {
    const sampling = { use_karras_sigmas: true, timestep_spacing: 'trailing', steps_offset: 1 };
    const base = { _class_name: 'EulerDiscreteScheduler', beta_schedule: 'scaled_linear' };
    expect(scheduleFromConfig({ ...base, ...sampling }, 'here')).toEqual(scheduleFromConfig(base, 'here'));
  });

  it.each([
    [{ _class_name: 'DDIMScheduler', clip_sample: true }, '"clip_sample" is not supported'],
    [{ _class_name: 'DPMSolverMultistepScheduler', thresholding: true }, '"thresholding" is not supported'],
  ])('that limit the estimate are refused for latents: %j', (config, message) => {
    expect(() => refuseLimits(config, 'here')).toThrow(message);
  });

  it('that a class ignores do not matter', () => {
    refuseLimits({ _class_name: 'PNDMScheduler', clip_sample: true }, 'here');
    refuseLimits({ _class_name: 'DDIMScheduler', clip_sample: false, thresholding: false }, 'here');
  });

  it('all stand in docs/models.md', () => {
    const docs = readFileSync(new URL('../../docs/models.md', import.meta.url), 'utf8');
    expect(schedulerFieldNames().filter((name) => !docs.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('timesteps', () => {
  it('agree with k-diffusion, interpolated and quantised', () => {
    golden.probe.sigmas.forEach((sigma, i) => {
      expect(sigmaToTimestep(sigmas, sigma)).toBeCloseTo(golden.probe.timesteps[i]!, 3);
      expect(sigmaToTimestep(sigmas, sigma, { quantize: true })).toBe(golden.probe.quantized[i]);
    });
  });

  it('are exact at every training sigma', () => {
    sigmas.forEach((sigma, timestep) => {
      expect(sigmaToTimestep(sigmas, sigma)).toBe(timestep);
      expect(timestepToSigma(sigmas, timestep)).toBe(sigma);
    });
  });

  it('invert each other', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 999, noNaN: true }), (timestep) => {
        expect(sigmaToTimestep(sigmas, timestepToSigma(sigmas, timestep))).toBeCloseTo(timestep, 6);
      }),
    );
  });

  it('refuse levels that have none', () => {
    expect(() => sigmaToTimestep(sigmas, 0)).toThrow('sigma');
    expect(() => sigmaToTimestep(sigmas, Number.NaN)).toThrow('sigma');
    expect(() => timestepToSigma(sigmas, 1000)).toThrow('timestep');
  });
});

describe('spacings', () => {
  it('agree with k-diffusion', () => {
    const steps = golden.karras.length - 1;
    expect(relativeError(karrasSigmas(steps, sigmas[0]!, sigmas[999]!), golden.karras)).toBeLessThan(1e-6);
    const plain = plainSigmas(sigmas, steps);
    golden.plain.forEach((value, i) => {
      if (value > 0) expect(Math.abs(plain[i]! / value - 1)).toBeLessThan(1e-5);
      else expect(plain[i]).toBe(0);
    });
  });

  it('of one step go from σ_max to 0', () => {
    expect([...plainSigmas(sigmas, 1)]).toEqual([sigmas[999], 0]);
    expect([...karrasSigmas(1, sigmas[0]!, sigmas[999]!)]).toEqual([sigmas[999], 0]);
    expect(golden.plain1[0]).toBeCloseTo(sigmas[999]!, 9);
  });

  it('descend to 0 from σ_max', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.constantFrom('karras', 'plain'), (steps, kind) => {
        const levels =
          kind === 'plain' ? plainSigmas(sigmas, steps) : karrasSigmas(steps, sigmas[0]!, sigmas[999]!);
        expect(levels.length).toBe(steps + 1);
        expect(levels[0]).toBe(sigmas[999]);
        expect(levels[steps]).toBe(0);
        for (let i = 0; i < steps; i++) expect(levels[i]!).toBeGreaterThan(levels[i + 1]!);
      }),
    );
  });

  it.each([0, -1, 2.5, Number.NaN])('refuse %s steps', (steps) => {
    expect(() => plainSigmas(sigmas, steps)).toThrow('at least 1');
  });
});
