import { samplerCalls } from '../diffusion/index.ts';
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
}

/**
 * The plan of an audit over so many candidates.
 *
 * @throws VerbatimError (exit code 2) when it may cost more than `maxEvaluations`, or an attack cannot be run on
 *   this model.
 */
export function planAudit(config: AuditConfig, generator: Generator, candidates: number): PlannedStage[] {
  const { first, second, all, selected } = attackList(config.attacks);
  requireAttacks(generator, [...all, ...selected], config);
  const { select, synthesis } = config;
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
    });
  if (selected.length > 0)
    stages.push({
      name: 'scores/selected',
      what: `${second?.label} for the top ${kept} by ${first?.label}`,
      items: kept,
      evaluations: costOf(selected, kept, generator),
    });
  stages.push({
    name: 'generations',
    what: `${picturesText(generator, synthesis, guidance)} for ${first === undefined ? `all ${synthesized} captions` : `the top ${synthesized} by ${(second ?? first).label}`}`,
    items: synthesized * (synthesis.samples + (generator.capabilities.oneStep ? 1 : 0)),
    evaluations: synthesized * evaluationsPerCaption(generator, synthesis, guidance),
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

/** A service computes what captions could share for each of them anew. */
function costOf(attacks: readonly NamedAttack[], captions: number, { pipeline }: Generator): number {
  if (captions === 0) return 0;
  const times = pipeline === undefined ? captions : 1;
  return attacks.reduce(
    (sum, { attack }) => sum + attack.cost.perCaption * captions + attack.cost.shared * times,
    0,
  );
}
