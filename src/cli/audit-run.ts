import { VerbatimError } from '../errors.ts';
import type { Summary } from '../reports/index.ts';
import type { AuditConfig, PlannedStage, RunFolder } from '../stages/index.ts';
import { exitCodes } from './exit-codes.ts';
import { foundLine } from './found.ts';
import { openAuditData, openAuditSource } from './open.ts';
import { decidingVersions, packageVersion } from './package.ts';
import { count, createProgress, formatDuration, problemLines } from './progress.ts';

export interface AuditRunOptions {
  readonly signal: AbortSignal;
  readonly quiet?: boolean;
  /** Print JSON on stdout instead of sentences: summary.json, or before the labels where the tables are. */
  readonly json?: boolean;
  /** Exit code 100 when more than so many images are found. */
  readonly failAbove?: number;
  /** Print the plan and compute nothing. */
  readonly dryRun?: boolean;
  readonly until?: 'scores' | 'generations' | 'labels';
  /** Say nothing on stdout. */
  readonly mute?: boolean;
  /** Make the labels of a run anew. */
  readonly again?: boolean;
}

/**
 * Runs an audit, or a part of it, as a command does: opens model and data, shows plan and progress on stderr,
 * writes the report, says on stdout what was found. Returns the exit code.
 */
export async function auditCommand(config: AuditConfig, options: AuditRunOptions): Promise<number> {
  const { signal, quiet = false, until } = options;
  const stages = await import('../stages/index.ts');
  const { requireDenoiser } = await import('../diffusion/index.ts');
  const progress = createProgress({ stream: process.stderr, quiet });
  const startedMs = performance.now();
  const totals = (plan: readonly PlannedStage[]) => {
    const pictures = plan.reduce((sum, stage) => sum + stage.pictures, 0);
    return [stages.plannedEvaluations(plan), stages.plannedPrice(pictures, generator)] as const;
  };
  // The cheapest to refuse comes first: attacks and their options, then data, then the model.
  const { attacks } = stages.prepareCascade(config);
  if (config.model !== undefined) requireDenoiser(config.model);
  stages.significanceAttack(config);
  const data = await openAuditData(config, signal);
  const generator = await openAuditSource(config, signal, progress.note);
  try {
    progress.note(`model    ${generator.name} ${generator.digest.slice(0, 12)}`);
    progress.note(`data     ${data.name}, ${count(data.size)} training pictures`);
    for (const line of problemLines(data.problems)) progress.note(line);
    for (const warning of [
      stages.heldOutWarning(config, data.heldOut),
      stages.farNoiseWarning(generator.pipeline?.denoiser.sigmaMax, attacks),
    ])
      if (warning !== undefined) progress.note(`warning  ${warning}`);
    if (options.dryRun === true) {
      const candidates = await stages.listCandidates(data, config, generator);
      const neverTrained = await stages.listNeverTrained(config, data, candidates, signal);
      const warning = stages.nullsWarning(config, neverTrained, candidates.length);
      if (warning !== undefined) progress.note(`warning  ${warning}`);
      const plan = stages.planAudit(config, generator, candidates.length, neverTrained?.rows.length);
      process.stdout.write(planText(plan, ...totals(plan)));
      return exitCodes.fine;
    }
    const folder = await stages.runAudit({
      config,
      data,
      generator,
      verbatim: packageVersion(),
      versions: decidingVersions(),
      signal,
      ...(until !== undefined && { until }),
      ...(options.again === true && { relabel: true }),
      onWarning: (warning) => progress.note(`warning  ${warning}`),
      onPlan: (plan, resumed) => {
        progress.note(`folder   ${config.output}${resumed ? ', going on with it' : ''}`);
        progress.note(planText(plan, ...totals(plan)).trimEnd());
      },
      onProgress: progress.update,
    });
    progress.end();
    const seconds = (performance.now() - startedMs) / 1000;
    progress.note(`${count(generator.meter.evaluations)} evaluations in ${formatDuration(seconds)}`);
    return await finish(folder, options);
  } finally {
    progress.end();
    await Promise.all([generator.close(), data.close()]);
  }
}

/** @param price what the pictures of a paid service cost, in words. */
function planText(plan: readonly PlannedStage[], total: number, price: string | undefined): string {
  const lines = plan.map(({ name, what, pictures, evaluations }) => {
    // Of a service without a step count only the pictures can be counted.
    const costs = [
      ...(evaluations > 0 || pictures === 0 ? [`${count(evaluations)} evaluations`] : []),
      ...(pictures > 0 ? [`${count(pictures)} pictures`] : []),
    ];
    return `  ${name.padEnd(16)} ${what}: at most ${costs.join(', ')}`;
  });
  const sum = price === undefined ? '' : `, ${price}`;
  return `plan     at most ${count(total)} evaluations${sum}\n${lines.join('\n')}\n`;
}

async function finish(folder: RunFolder, options: AuditRunOptions): Promise<number> {
  if (options.until === 'scores' || options.until === 'generations') {
    const { tables } = folder;
    process.stdout.write(options.json === true ? `${JSON.stringify({ tables })}\n` : `${tables}\n`);
    return exitCodes.fine;
  }
  const { hasOutcome, writeReport } = await import('../reports/index.ts');
  const { page, summary } = await writeReport(folder.path);
  if (options.mute === true) {
    // Said by whoever runs several.
  } else if (options.json === true) process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`);
  else {
    const { neverSeen, truthKnown } = summary;
    process.stdout.write(`${foundLine(summary)}\n`);
    if (truthKnown)
      process.stdout.write(
        `false    ${count(neverSeen.falsePositives)} among ${count(neverSeen.captions)} captions that the model never saw (${count(neverSeen.judged)} judged)\n`,
      );
    if (summary.significance !== null) process.stdout.write(`${sureLine(summary.significance)}\n`);
    process.stdout.write(`report   ${page}\n`);
    for (const line of warnings(summary)) process.stdout.write(`${line}\n`);
  }
  // A gate must not open because nothing could be looked at.
  const [failure] = summary.failures;
  if (!hasOutcome(summary) && failure !== undefined)
    throw new VerbatimError(`nothing could be judged: ${failure.stage}: ${failure.reason}`);
  const { failAbove } = options;
  // Each caption that could not be judged may hide a finding.
  if (
    failAbove !== undefined &&
    summary.found.images <= failAbove &&
    summary.found.images + summary.unjudged > failAbove
  )
    throw new VerbatimError(
      `--fail-above ${failAbove} cannot be decided: ${counted(summary.found.images, 'image')} found, but ${counted(summary.unjudged, 'caption')} could not be judged (${failure?.stage}: ${failure?.reason})`,
    );
  if (failAbove !== undefined && summary.found.images > failAbove) {
    process.stderr.write(
      `verbatim: ${summary.found.images} images were found, more than --fail-above ${failAbove}\n`,
    );
    return exitCodes.gate;
  }
  return exitCodes.fine;
}

/** How sure the scores are. */
function sureLine(figures: NonNullable<Summary['significance']>): string {
  const { discoveries, tested, rate, findings, findingsDiscovered, attack } = figures;
  return `sure     ${count(discoveries)} of ${counted(tested, 'caption')} ${discoveries === 1 ? 'is a discovery' : 'are discoveries'} by ${attack} at a rate of ${rate}, ${count(findingsDiscovered)} of ${counted(findings, 'finding')} among them`;
}

/** What a reader of the two lines above must know to trust them. */
function warnings({ unjudged, judged, calibration }: Summary): string[] {
  const lines: string[] = [];
  if (unjudged > 0)
    lines.push(`failed   ${count(unjudged)} of ${counted(unjudged + judged, 'caption')} could not be judged`);
  if ((calibration?.trainingUnreadable ?? 0) > 0)
    lines.push(
      `failed   ${count(calibration!.trainingUnreadable)} of ${counted(calibration!.trainingUnreadable + calibration!.trainingSize, 'training picture')} could not be read: nothing can be found to repeat them`,
    );
  return lines;
}

function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}
