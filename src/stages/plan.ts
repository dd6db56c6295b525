import { refuseGuidance } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { type Cascade, type Entering, planCascade, prepareCascade } from './cascade.ts';
import type { AuditConfig } from './config.ts';
import { counted, guidanceText, type PlannedStage, picturesText, sampleCost } from './planned.ts';
import { requireAttacks } from './subject.ts';

/**
 * The plan of an audit over so many candidates.
 *
 * @throws VerbatimError (exit code 2) when it may cost more than `maxEvaluations`, or an attack cannot be run on
 *   this model, or guidance is given and it has no condition.
 */
export function planAudit(config: AuditConfig, generator: Generator, candidates: number): PlannedStage[] {
  const cascade = prepareCascade(config);
  requireAttacks(generator, cascade.attacks, config);
  const { synthesis } = config;
  const { name, pipeline } = generator;
  if (pipeline !== undefined)
    refuseGuidance(name, pipeline.conditions, synthesis.guidance, 'synthesis.guidance');
  const { stages: scores, kept } = planCascade(cascade, generator, candidates);
  const stages: PlannedStage[] = [...scores, plannedGenerations(cascade, kept, config, generator)];
  const total = plannedEvaluations(stages);
  if (config.maxEvaluations !== undefined && total > config.maxEvaluations)
    throw new VerbatimError(
      `the plan may cost ${total} evaluations and maxEvaluations is ${config.maxEvaluations}; lower candidates.limit, keep in cascade or synthesis.samples, or raise it`,
      { exitCode: 2 },
    );
  return stages;
}

function plannedGenerations(
  { steps }: Cascade,
  { count, text }: Entering,
  { synthesis }: AuditConfig,
  generator: Generator,
): PlannedStage {
  const last = steps.at(-1);
  // What it has extracted is there already.
  if (last?.pictures !== undefined)
    return {
      name: 'generations',
      what: `one picture each of at most ${count} flagged by ${last.label}`,
      items: count,
      evaluations: 0,
      pictures: 0,
    };
  const oneStep = generator.capabilities.oneStep ? 1 : 0;
  const made = count * (synthesis.samples + oneStep);
  return {
    name: 'generations',
    what: `${picturesText(generator, synthesis)}${oneStep ? ' and one of one step' : ''}${guidanceText(generator, synthesis)} for ${steps.length === 0 ? `all ${count} captions` : text}`,
    items: made,
    evaluations:
      count *
      (synthesis.samples * sampleCost(generator, synthesis) +
        oneStep * sampleCost(generator, { ...synthesis, sampler: 'euler', steps: 1 })),
    pictures: generator.pipeline === undefined ? made : 0,
  };
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
