import { refuseGuidance, samplerCalls } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Generator } from '../generators/index.ts';
import { planCascade, prepareCascade } from './cascade.ts';
import type { AuditConfig } from './config.ts';
import type { PlannedStage } from './planned.ts';
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
  const cascade = prepareCascade(config);
  requireAttacks(generator, cascade.attacks, config);
  const { synthesis } = config;
  const { name, pipeline } = generator;
  if (pipeline !== undefined)
    refuseGuidance(name, pipeline.conditions, synthesis.guidance, 'synthesis.guidance');
  const guidance = synthesis.guidance ?? generator.guidance;
  const { stages: scores, kept } = planCascade(cascade, generator, candidates);
  const made = kept.count * (synthesis.samples + (generator.capabilities.oneStep ? 1 : 0));
  const stages: PlannedStage[] = [
    ...scores,
    ...plannedNulls(config, nulls, generator),
    {
      name: 'generations',
      what: `${picturesText(generator, synthesis, guidance)} for ${cascade.steps.length === 0 ? `all ${kept.count} captions` : kept.text}`,
      items: made,
      evaluations: kept.count * evaluationsPerCaption(generator, synthesis, guidance),
      pictures: generator.pipeline === undefined ? made : 0,
    },
  ];
  const total = plannedEvaluations(stages);
  if (config.maxEvaluations !== undefined && total > config.maxEvaluations)
    throw new VerbatimError(
      `the plan may cost ${total} evaluations and maxEvaluations is ${config.maxEvaluations}; lower candidates.limit, keep in cascade or synthesis.samples, or raise it`,
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
