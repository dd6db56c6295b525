import { basename, extname, join } from 'node:path';
import { isStop, VerbatimError } from '../errors.ts';
import type { Transfer } from '../reports/index.ts';
import type { AuditConfig } from '../stages/index.ts';
import { type AuditRunOptions, auditCommand } from './audit-run.ts';
import { exitCodes } from './exit-codes.ts';
import { count } from './progress.ts';

/**
 * Audits several models over one list of candidates, one after the other, each in OUTPUT/<name of the model>, and compares
 * what they repeat: OUTPUT/transfer.json and transfer.parquet. A model that fails is named on stderr and is left out where it
 * could not be judged; the others go on. Returns the exit code: that of the gate where any model exceeds it, else 1 where one
 * failed.
 *
 * @throws VerbatimError (exit code 2) when two models have one name, or the first is a generator
 */
export async function auditModels(config: AuditConfig, options: AuditRunOptions): Promise<number> {
  const { alsoModels, model: first, ...common } = config;
  if (first === undefined)
    throw new VerbatimError(
      'alsoModels goes with model, and a generator is given; audit it in a run of its own',
      {
        exitCode: 2,
      },
    );
  const models = [first, ...alsoModels];
  const names = models.map((path) => basename(path, extname(path) === '.safetensors' ? '.safetensors' : ''));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new VerbatimError(
      `alsoModels: two models are named ${twice}, which is their folder in ${config.output}; rename one`,
      {
        exitCode: 2,
      },
    );
  let exit: number = exitCodes.fine;
  const mute = options.json === true && options.dryRun !== true;
  const runs = names.map((name) => join(config.output, name));
  const judged: string[] = [];
  for (const [i, model] of models.entries()) {
    const sub: AuditConfig = { ...common, alsoModels: [], model, output: runs[i]! };
    try {
      exit = Math.max(exit, await auditCommand(sub, { ...options, mute }));
      judged.push(runs[i]!);
    } catch (error) {
      // Wrong usage, Ctrl-C and what ends a run concern all of them.
      options.signal.throwIfAborted();
      if (!(error instanceof VerbatimError) || error.exitCode === 2 || isStop(error)) throw error;
      process.stderr.write(`verbatim: ${names[i]}: ${error.message}\n`);
      exit = Math.max(exit, exitCodes.failed);
      if (await isLabelled(runs[i]!)) judged.push(runs[i]!);
    }
  }
  if (options.dryRun !== true && judged.length > 0) {
    const { compareRuns, writeTransfer } = await import('../reports/index.ts');
    const transfer = await compareRuns(judged);
    await writeTransfer(config.output, transfer);
    process.stdout.write(
      options.json === true ? `${JSON.stringify(transfer, undefined, 2)}\n` : transferText(transfer),
    );
  }
  return exit;
}

/** Whether something of a run was judged: it may have failed since a gate cannot be decided. */
async function isLabelled(run: string): Promise<boolean> {
  const { labelColumns, runFolder, runTable } = await import('../stages/index.ts');
  const { readTable } = await import('../tables/index.ts');
  const files = await runTable(runFolder(run), 'labels').catch(() => []);
  if (files.length === 0) return false;
  return (await readTable(files, labelColumns)).some(({ verdict }) => verdict !== null);
}

/** The table of several models, a line each, and what every two of them share. */
export function transferText({ models, shared }: Transfer): string {
  const width = Math.max(8, ...models.map(({ name }) => name.length));
  const cell = (value: number | string) => (typeof value === 'number' ? count(value) : value).padStart(9);
  const line = (name: string, cells: readonly (number | string)[]) =>
    `${name.padEnd(width)}${cells.map(cell).join('')}`;
  return [
    line('model', ['captions', 'judged', 'MV', 'RV', 'TV', 'images']),
    ...models.map(({ name, captions, judged, MV, RV, TV, images }) =>
      line(name, [captions, judged, MV, RV, TV, images]),
    ),
    ...shared.map(
      ({ models: names, captions, images }) =>
        `shared   ${names.join(' and ')}: ${count(captions)} captions, ${count(images)} training images`,
    ),
    '',
  ].join('\n');
}
