import { refuseGuidance, samplerCalls } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { attackList, type NamedAttack } from './attack-list.ts';
import type { AuditConfig } from './config.ts';
import { requireAttacks } from './subject.ts';

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

/**
 * The plan of an audit over so many candidates.
 *
 * @throws VerbatimError (exit code 2) when it may cost more than `maxEvaluations`, or an attack cannot be run on
 *   this model, or guidance is given and it has no condition.
 */
export function planAudit(config: AuditConfig, generator: Generator, candidates: number): PlannedStage[] {
  const { first, second, all, selected } = attackList(config.attacks);
  requireAttacks(generator, [...all, ...selected], config);
  const { select, synthesis } = config;
  const { name, pipeline } = generator;
  if (pipeline !== undefined)
    refuseGuidance(name, pipeline.conditions, synthesis.guidance, 'synthesis.guidance');
  const kept = first === undefined ? candidates : Math.min(candidates, select.first);
  const synthesized = first === undefined ? candidates : Math.min(kept, select.second);
  const guidance = synthesis.guidance ?? generator.guidance;
  const stages: PlannedStage[] = [];
  if (first !== undefined)
    stages.push({
      name: 'scores/all',
      what: `${all.map(({ label }) => label).join(', ')} for every caption`,
      items: candidates,
      evaluations: costOf(all, candidates, generator),
      pictures: picturesFor(all, candidates, generator),
    });
  if (selected.length > 0)
    stages.push({
      name: 'scores/selected',
      what: `${second?.label} for the top ${kept} by ${first?.label}`,
      items: kept,
      evaluations: costOf(selected, kept, generator),
      pictures: picturesFor(selected, kept, generator),
    });
  const made = synthesized * (synthesis.samples + (generator.capabilities.oneStep ? 1 : 0));
  stages.push({
    name: 'generations',
    what: `${picturesText(generator, synthesis, guidance)} for ${first === undefined ? `all ${synthesized} captions` : `the top ${synthesized} by ${(second ?? first).label}`}`,
    items: made,
    evaluations: synthesized * evaluationsPerCaption(generator, synthesis, guidance),
    pictures: generator.pipeline === undefined ? made : 0,
  });
  const total = plannedEvaluations(stages);
  if (config.maxEvaluations !== undefined && total > config.maxEvaluations)
    throw new VerbatimError(
      `the plan may cost ${total} evaluations and maxEvaluations is ${config.maxEvaluations}; lower candidates.limit, select or synthesis.samples, or raise it`,
      { exitCode: 2 },
    );
  return stages;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** What a plan may cost at most. */
export function plannedEvaluations(stages: readonly PlannedStage[]): number {
  return stages.reduce((sum, stage) => sum + stage.evaluations, 0);
}

/**
 * What the pictures of a plan cost at most, in words: '48 pictures for 1.92'. Undefined where nobody has said what one
 * costs. A repetition after no answer may be charged too; it is not in the plan.
 */
export function plannedPrice(
  pictures: number,
  { pricePerPicture, moneyLimit }: Pick<Generator, 'pricePerPicture' | 'moneyLimit'>,
): string | undefined {
  if (pricePerPicture === undefined || pictures === 0) return undefined;
  // 3 · 0.1 is 0.30000000000000004.
  const price = Number((pictures * pricePerPicture).toPrecision(12));
  const text = `${counted(pictures, 'picture')} for ${price}`;
  if (moneyLimit === undefined) return text;
  if (price <= moneyLimit * (1 + 1e-9)) return `${text}, within generator.moneyLimit ${moneyLimit}`;
  const allowed = Math.floor((moneyLimit * (1 + 1e-9)) / pricePerPicture);
  return `${text}; the run stops at generator.moneyLimit ${moneyLimit}, after ${counted(allowed, 'picture')}`;
}

type Synthesis = AuditConfig['synthesis'];

/** What is made of each caption, as far as the generator can be told. */
function picturesText({ capabilities }: Generator, { samples, steps, sampler }: Synthesis, guidance: number) {
  const how = capabilities.steps
    ? ` of ${counted(steps, `${capabilities.sampler ? `${sampler} ` : ''}step`)}`
    : '';
  const quick = capabilities.oneStep ? ' and one of one step' : '';
  return `${counted(samples, 'picture')}${how}${quick},${capabilities.guidance ? ` guidance ${guidance},` : ''}`;
}

/** 0 where nobody can say how many steps a service takes. */
function evaluationsPerCaption({ capabilities }: Generator, synthesis: Synthesis, guidance: number): number {
  if (!capabilities.steps) return 0;
  const halves = guidance === 1 ? 1 : 2;
  return (
    halves *
    ((capabilities.oneStep ? 1 : 0) + synthesis.samples * samplerCalls(synthesis.sampler, synthesis.steps))
  );
}

/** What attacks on one-step pictures ask a service for: a picture is one evaluation with the caption. */
function picturesFor(attacks: readonly NamedAttack[], captions: number, { pipeline }: Generator): number {
  if (pipeline !== undefined) return 0;
  return attacks.reduce((sum, { attack }) => sum + attack.cost.perCaption * captions, 0);
}

/** A service computes what captions could share for each of them anew. */
function costOf(attacks: readonly NamedAttack[], captions: number, { pipeline }: Generator): number {
  if (captions === 0) return 0;
  const times = pipeline === undefined ? captions : 1;
  return attacks.reduce(
    (sum, { attack }) => sum + attack.cost.perCaption * captions + attack.cost.shared * times,
    0,
  );
}
