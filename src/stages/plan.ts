import { refuseGuidance } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { candidateOrder } from './candidates.ts';
import { type Cascade, type Entering, planCascade, prepareCascade } from './cascade.ts';
import { defaultCascade } from './cascade-schema.ts';
import type { AuditConfig } from './config.ts';
import { counted, guidanceText, type PlannedStage, picturesText, sampleCost } from './planned.ts';
import { type BudgetedAudit, budgetedAudit } from './rounds.ts';
import { plannedNulls } from './significance.ts';
import { requireAttacks } from './subject.ts';

/**
 * The plan of an audit over so many candidates, and so many captions never trained on whose scores theirs are held against.
 *
 * @throws VerbatimError (exit code 2) when it may cost more than `maxEvaluations`, or an attack cannot be run on
 *   this model, or guidance is given and it has no condition.
 */
export function planAudit(
  config: AuditConfig,
  generator: Generator,
  candidates: number,
  nulls = 0,
): PlannedStage[] {
  const budgeted = budgetedAudit(config, generator, candidates);
  const stages =
    budgeted === undefined
      ? plainStages(config, generator, candidates, nulls)
      : budgetStages(budgeted, generator, candidates);
  const total = plannedEvaluations(stages);
  if (config.maxEvaluations !== undefined && total > config.maxEvaluations)
    throw new VerbatimError(
      `the plan may cost ${total} evaluations and maxEvaluations is ${config.maxEvaluations}; lower ${keysToLower(config)}, or raise maxEvaluations`,
      { exitCode: 2 },
    );
  return stages;
}

/** The keys that make a plan cheaper. */
function keysToLower({ budget, cascade: steps }: AuditConfig): string {
  if (budget !== undefined) return 'budget';
  const cascade = steps ?? defaultCascade;
  const filters = cascade.some(({ attack }) => attack === 'cliques');
  const synthesizes = cascade.at(-1)?.attack !== 'cliques';
  const keys = [
    'candidates.limit',
    // What the last step keeps is paid for only where it is synthesized.
    ...(cascade.length > (synthesizes ? 0 : 1) ? ['keep in cascade'] : []),
    ...(filters ? ['options.samples of cliques'] : []),
    ...(synthesizes ? ['synthesis.samples'] : []),
  ];
  return `${keys.slice(0, -1).join(', ')} or ${keys.at(-1)}`;
}

/** Refuses what the generator cannot do. */
function prepared(config: AuditConfig, generator: Generator) {
  const cascade = prepareCascade(config);
  requireAttacks(generator, cascade.attacks, config);
  const { name, pipeline } = generator;
  const { guidance } = config.synthesis;
  // Unguided is what a model without a condition is anyway, and what budgets have by default.
  if (pipeline !== undefined && !(config.budget !== undefined && guidance === 1))
    refuseGuidance(name, pipeline.conditions, guidance, 'synthesis.guidance');
  return { cascade };
}

/** With a budget: the steps over the captions that it pays for, then pictures for as many as it pays for. */
function budgetStages(
  { config, plan, rounds, picture }: BudgetedAudit,
  generator: Generator,
  candidates: number,
): PlannedStage[] {
  const { cascade } = prepared(config, generator);
  const { counts, spare } = plan;
  const [scored] = counts;
  const { stages, kept } = planCascade(
    cascade,
    generator,
    scored!,
    scored === candidates ? undefined : `${scored} of ${candidates} captions, ${candidateOrder(config)}`,
  );
  const further =
    config.synthesis.samples === 1
      ? 0
      : Math.min(Math.floor(spare / picture), kept.count * (config.synthesis.samples - 1));
  const one = { ...config.synthesis, samples: 1 };
  return [
    ...stages,
    {
      name: 'generations',
      what: `${picturesText(generator, one)}${guidanceText(generator, one)} for ${kept.text}, in ${counted(rounds, 'round')}${further > 0 ? `; then up to ${counted(further, 'further picture')} of those that are not verified` : ''}`,
      items: kept.count + further,
      evaluations: (kept.count + further) * picture,
      pictures: 0,
    },
  ];
}

function plainStages(
  config: AuditConfig,
  generator: Generator,
  candidates: number,
  nulls: number,
): PlannedStage[] {
  const { cascade } = prepared(config, generator);
  const { stages: scores, kept } = planCascade(cascade, generator, candidates);
  return [
    ...scores,
    ...plannedNulls(config, nulls, generator),
    plannedGenerations(cascade, kept, config, generator),
  ];
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
      what: `one picture each of at most ${count} flagged by ${last.label}: those it has extracted, whatever synthesis.samples is`,
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
