import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VerbatimError } from '../src/errors.ts';
import { startProgram, watchMemory, whole } from './program.ts';

/** What the demo may take on two cores. */
const limits = { seconds: 150, evaluations: 30_000, mebibytes: 2_048 };

const help = `npm run bench -- demo [--keep]
  --keep   leave the run folder and print its path
`;

/**
 * The shipped demo as its user starts it, from process start to process end: wall seconds, evaluations (from
 * report/summary.json) and peak resident memory, each against its limit.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  });
  if (values.help) return void process.stdout.write(help);
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-demo-'));
  try {
    const program = startProgram(['demo', '--output', folder]);
    const stopWatching = watchMemory(program.pid);
    const { status, seconds, stdout, stderr } = await program.ended;
    const resident = stopWatching();
    if (status !== 0) throw new VerbatimError(`the demo ended with ${status}:\n${stderr}`);
    const summary = JSON.parse(await readFile(join(folder, 'report', 'summary.json'), 'utf8')) as {
      evaluations: number;
      stages: { name: string; items: number; evaluations: number; seconds: number }[];
    };
    const rows = [
      ['stage', 'items', 'evaluations', 'seconds'],
      ...summary.stages.map((stage) => [
        stage.name,
        whole(stage.items),
        whole(stage.evaluations),
        stage.seconds.toFixed(1),
      ]),
    ];
    const mebibytes = resident === undefined ? undefined : resident / 2 ** 20;
    const measured: readonly (readonly [string, number | undefined, number])[] = [
      ['wall seconds', seconds, limits.seconds],
      ['evaluations', summary.evaluations, limits.evaluations],
      ['resident MiB', mebibytes, limits.mebibytes],
    ];
    process.stdout.write(`${stdout}\n${table(rows)}\n`);
    process.stdout.write(
      table([
        ['', 'ours', 'limit', ''],
        ...measured.map(([what, ours, limit]) => [
          what,
          ours === undefined ? 'not known' : whole(ours),
          whole(limit),
          ours === undefined || ours <= limit ? '' : 'over the limit',
        ]),
      ]),
    );
    if (values.keep) process.stdout.write(`kept ${folder}\n`);
    process.stdout.write(
      `demo: ratio ${(limits.seconds / seconds).toFixed(2)} (ours ${seconds.toFixed(1)} s, limit ${limits.seconds} s)\n`,
    );
  } finally {
    if (!values.keep) await rm(folder, { recursive: true, force: true });
  }
}

/** Columns under each other, the first left and the others right-aligned. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  return rows
    .map((row) => row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))))
    .map((cells) => `${cells.join('   ').trimEnd()}\n`)
    .join('');
}
