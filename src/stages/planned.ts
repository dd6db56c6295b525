import { samplerCalls } from '../diffusion/index.ts';
import type { Generator } from '../generators/index.ts';
import type { NamedAttack } from './attack-list.ts';
import type { AuditConfig } from './config.ts';

/** What a stage will do and what it may cost at most. */
export interface PlannedStage {
  readonly name: string;
  readonly what: string;
  /** Items: captions, or pictures for the generations. */
  readonly items: number;
  /** Upper bound: attacks that share outputs and captions that share halves cost less. */
  readonly evaluations: number;
  /** Pictures that a service is asked for, each of which may be paid: an upper bound without repetitions. 0 for a model here. */
  readonly pictures: number;
}

/** The stage in which step `number` scores some captions; none where it has nothing to score. */
export function plannedScores(
  number: number,
  attacks: readonly NamedAttack[],
  { count, text }: { readonly count: number; readonly text: string },
  generator: Generator,
): PlannedStage[] {
  if (attacks.length === 0) return [];
  return [
    {
      name: `scores/${number}`,
      what: `${attacks.map(({ label }) => label).join(', ')} for ${text}`,
      items: count,
      evaluations: scoringCost(attacks, count, generator),
      pictures: picturesFor(attacks, count, generator),
    },
  ];
}

/** Evaluations of some attacks at most. A service computes what captions could share for each of them anew. */
export function scoringCost(
  attacks: readonly NamedAttack[],
  captions: number,
  { pipeline }: Pick<Generator, 'pipeline'>,
): number {
  if (captions === 0) return 0;
  const times = pipeline === undefined ? captions : 1;
  return attacks.reduce(
    (sum, { attack }) => sum + attack.cost.perCaption * captions + attack.cost.shared * times,
    0,
  );
}

/** What attacks on one-step pictures ask a service for: a picture is one evaluation with the caption. */
function picturesFor(attacks: readonly NamedAttack[], captions: number, { pipeline }: Generator): number {
  if (pipeline !== undefined) return 0;
  return attacks.reduce((sum, { attack }) => sum + attack.cost.perCaption * captions, 0);
}

type Synthesis = AuditConfig['synthesis'];

export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** The full samples of a caption, as far as the generator can be told: '4 pictures of 16 heun steps'. */
export function picturesText(
  { capabilities }: Generator,
  { samples, steps, sampler }: Pick<Synthesis, 'samples' | 'steps' | 'sampler'>,
): string {
  const how = capabilities.steps
    ? ` of ${counted(steps, `${capabilities.sampler ? `${sampler} ` : ''}step`)}`
    : '';
  return `${counted(samples, 'picture')}${how}`;
}

/** ', guidance 7.5,', or a comma where it cannot be told. */
export function guidanceText(generator: Generator, { guidance }: Pick<Synthesis, 'guidance'>): string {
  return generator.capabilities.guidance ? `, guidance ${guidance ?? generator.guidance},` : ',';
}

/** Evaluations of a full sample at most. 0 where nobody can say how many steps a service takes. */
export function sampleCost(
  generator: Generator,
  { guidance = generator.guidance, sampler, steps }: Pick<Synthesis, 'guidance' | 'sampler' | 'steps'>,
): number {
  if (!generator.capabilities.steps) return 0;
  return (guidance === 1 ? 1 : 2) * samplerCalls(sampler, steps);
}
