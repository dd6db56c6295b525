import { InvalidArgumentError, Option } from 'commander';
import type { SamplerName } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Precision } from '../graph/index.ts';
import type { Provider } from '../runtime/index.ts';
import type { InpaintingSettings } from '../stages/index.ts';
import { refuseFlags } from './config/flags.ts';
import type { Override } from './config/parse.ts';

/** The flags of `verbatim membership`. */
export interface MembershipFlags {
  readonly lab?: string;
  readonly target?: string;
  readonly eachShadow?: boolean;
  readonly lossOnly?: boolean;
  readonly model?: string;
  readonly tokenizer?: string;
  readonly members?: string;
  readonly nonMembers?: string;
  readonly format?: string;
  readonly set?: readonly Override[];
  /** False with --no-captions. */
  readonly captions: boolean;
  readonly shadows?: string;
  readonly attack: 'loss' | 'inpainting';
  readonly timesteps: readonly number[];
  readonly noise?: number;
  readonly flips?: boolean;
  readonly mask?: string;
  readonly completions?: number;
  readonly keep?: number;
  readonly steps?: number;
  readonly sampler?: SamplerName;
  readonly guidance?: number;
  readonly resample?: InpaintingSettings['resample'];
  readonly fit?: boolean;
  readonly limit?: number;
  readonly seed: number;
  readonly output: string;
  readonly batch: number;
  readonly threads?: number;
  readonly provider: Provider | 'auto';
  readonly precision?: Precision;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** `--timesteps 50,100`: in the order given, which is no part of the result. */
export function timestepsOption(): Option {
  return new Option('--timesteps <list>', 'training timesteps of the loss: 100 or 50,100,200')
    .default([100], '100')
    .argParser((text) => {
      const steps = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN));
      if (steps.some(Number.isNaN))
        throw new InvalidArgumentError('Expected whole numbers, as in 50,100,200.');
      return steps;
    });
}

/** `--resample 5,3`: stretches of 5 steps, 3 times each. */
export function resampleOption(): Option {
  return new Option(
    '--resample <jump,times>',
    'inpainting: go through each stretch of steps so often (none)',
  ).argParser((text) => {
    const found = /^(\d{1,4}),(\d{1,4})$/.exec(text);
    const [jump, times] = [Number(found?.[1]), Number(found?.[2])];
    if (!(jump >= 1 && times >= 1))
      throw new InvalidArgumentError('Expected two whole numbers from 1 on, as in 5,3.');
    return { jump, times };
  });
}

/**
 * None of the flags is ignored in silence.
 *
 * @throws VerbatimError (exit code 2) for flags that do not go together, or that are missing
 */
export function refuseMixed(flags: MembershipFlags): void {
  if (flags.lab !== undefined) {
    const reason = 'goes with --model; a lab brings its own models and pictures';
    refuseFlags(flags, {
      model: reason,
      members: reason,
      nonMembers: reason,
      shadows: reason,
      format: reason,
      set: reason,
      tokenizer: reason,
      ...(flags.captions ? {} : { captions: reason }),
    });
  } else {
    const reason = 'goes with --lab';
    refuseFlags(flags, { target: reason, eachShadow: reason, lossOnly: reason });
    for (const [name, value] of [
      ['--model', flags.model],
      ['--members', flags.members],
      ['--non-members', flags.nonMembers],
    ] as const)
      if (value === undefined)
        throw new VerbatimError(
          `${name} is missing; give --lab FOLDER, or all of --model, --members and --non-members`,
          { exitCode: 2 },
        );
  }
  if (flags.eachShadow) {
    const reason =
      'does not go with --each-shadow, which attacks every shadow model with the others around it';
    refuseFlags(flags, { target: reason, lossOnly: reason });
  }
  if (flags.attack === 'inpainting') {
    const reason = 'goes with --attack loss, not with completions';
    refuseFlags(flags, { flips: reason, shadows: reason, eachShadow: reason });
  } else {
    const reason = 'goes with --attack inpainting';
    refuseFlags(flags, {
      mask: reason,
      completions: reason,
      keep: reason,
      steps: reason,
      sampler: reason,
      guidance: reason,
      resample: reason,
    });
  }
}
