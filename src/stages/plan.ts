import { createSubject, requireAccess } from '../attacks/index.ts';
import type { Pipeline } from '../diffusion/index.ts';
import { samplerCalls } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import { attackList, type NamedAttack } from './attack-list.ts';
import type { AuditConfig } from './config.ts';

/** What a stage will do and what it may cost at most. */
export interface PlannedStage {
  readonly name: string;
  readonly what: string;
  /** Items: captions, or pictures for the generations. */
  readonly items: number;
  /** Upper bound: attacks that share outputs and captions that share halves cost less. */
  readonly evaluations: number;
}

/**
 * The plan of an audit over so many candidates.
 *
 * @throws VerbatimError (exit code 2) when it may cost more than `maxEvaluations`, or an attack cannot be run on
 *   this model.
 */
export function planAudit(config: AuditConfig, pipeline: Pipeline, candidates: number): PlannedStage[] {
  const { first, second, all, selected } = attackList(config.attacks);
  const subject = createSubject(pipeline);
  for (const { attack } of [...all, ...selected]) requireAccess(attack, subject);
  const { select, synthesis } = config;
  const kept = Math.min(candidates, select.first);
  const synthesized = Math.min(kept, select.second);
  const guidance = synthesis.guidance ?? pipeline.guidance;
  const halves = guidance === 1 ? 1 : 2;
  const perCaption = halves * (1 + synthesis.samples * samplerCalls(synthesis.sampler, synthesis.steps));
  const stages: PlannedStage[] = [
    {
      name: 'scores/all',
      what: `${all.map(({ label }) => label).join(', ')} for every caption`,
      items: candidates,
      evaluations: costOf(all, candidates),
    },
  ];
  if (selected.length > 0)
    stages.push({
      name: 'scores/selected',
      what: `${second?.label} for the top ${kept} by ${first.label}`,
      items: kept,
      evaluations: costOf(selected, kept),
    });
  stages.push({
    name: 'generations',
    what:
      `${counted(synthesis.samples, 'picture')} of ${counted(synthesis.steps, `${synthesis.sampler} step`)} and one of one step, ` +
      `guidance ${guidance}, for the top ${synthesized} by ${(second ?? first).label}`,
    items: synthesized * (synthesis.samples + 1),
    evaluations: synthesized * perCaption,
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

function costOf(attacks: readonly NamedAttack[], captions: number): number {
  if (captions === 0) return 0;
  return attacks.reduce((sum, { attack }) => sum + attack.cost.perCaption * captions + attack.cost.shared, 0);
}
