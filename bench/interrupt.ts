import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { VerbatimError } from '../src/errors.ts';
import { createRandom } from '../src/math/index.ts';
import { readLog, runFolder, shardName } from '../src/stages/index.ts';
import { differences, digests, filesBelow, type KillMoment, killMoments, shardMarks } from './killMoments.ts';
import { type ProgramEnd, root, startProgram, whole } from './program.ts';

const help = `npm run bench -- interrupt [--kills 20] [--config models/demo.yaml] [--seed 1] [--keep]
  --kills    how often the audit is killed (kill -9), at moments spread over its whole duration
  --config   the audit's config
  --seed     draws the moments
  --keep     leave the two run folders and print where they are
`;

/** Finished work may be done again up to this factor of the undisturbed run's, one shard per kill aside. */
const allowedFactor = 1.1;
const pollMs = 10;
const counter = fileURLToPath(new URL('./countEvaluations.mjs', import.meta.url));

/**
 * Proves that an audit goes on after `kill -9`: once undisturbed; then killed at random moments, each time
 * followed by the same command, and at last run to its end. Tables and images must be equal byte for byte, and
 * all evaluations together, those of the killed processes too, at most 1.1 times the undisturbed run's and
 * one shard per kill. Ends with exit code 1 when something differs.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string', default: '20' },
      config: { type: 'string', default: join(root, 'models', 'demo.yaml') },
      seed: { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const kills = wholeNumber(values.kills, '--kills');
  const seed = wholeNumber(values.seed, '--seed');
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-interrupt-'));
  try {
    const passed = await prove(folder, resolve(values.config), kills, seed);
    if (!passed) process.exitCode = 1;
  } finally {
    if (values.keep) process.stdout.write(`kept ${folder}\n`);
    else await rm(folder, { recursive: true, force: true });
  }
}

async function prove(folder: string, config: string, kills: number, seed: number): Promise<boolean> {
  const undisturbed = join(folder, 'undisturbed');
  const killed = join(folder, 'killed');
  await mkdir(join(folder, 'counts'));
  let started = 0;
  const start = (output: string) => {
    const counts = join(folder, 'counts', String(started++));
    const program = startProgram(['audit', config, '--output', output, '--quiet'], {
      execArgv: ['--import', counter],
      env: { VERBATIM_COUNT_FILE: counts },
    });
    return { program, evaluations: () => countedEvaluations(counts) };
  };

  const first = start(undisturbed);
  const wholeEnd = await first.program.ended;
  mustEndWell(wholeEnd, 'the undisturbed run');
  const ours = await first.evaluations();
  const marks = await shardMarks(undisturbed, first.program.startedMs);
  const log = await readLog(runFolder(undisturbed).log);
  const costs = new Map(log.map((e) => [`tables/${e.stage}/${shardName(e.shard)}`, e.evaluations]));
  const logged = log.reduce((sum, entry) => sum + entry.evaluations, 0);
  say(
    `undisturbed   ${wholeEnd.seconds.toFixed(1)} s, ${whole(ours)} evaluations, ${marks.length} shards and tables`,
  );

  const moments = killMoments(marks, wholeEnd.seconds * 1000, kills, createRandom(seed));
  // What a process that goes on needs before it computes: as long as the first took to its first table.
  const startUpMs = marks[0]?.atMs ?? 0;
  let spent = 0;
  let allowed = 0;
  let landed = 0;
  for (const [k, moment] of moments.entries()) {
    // A run that ends before its moment (they differ in speed) is started again and killed earlier.
    let hit = false;
    for (let share = 1; !hit && share > 0.05; share /= 2) {
      const { program, evaluations } = start(killed);
      const end = await killAt(program, killed, moment, startUpMs, share);
      spent += await evaluations();
      hit = end.status === 'SIGKILL';
      if (!hit) mustEndWell(end, `run ${k + 1}`);
    }
    if (!hit) continue;
    landed += 1;
    const present = new Set(await filesBelow(killed, 'tables'));
    const during = marks.find(({ path }) => !present.has(path))?.path;
    allowed += during === undefined ? 0 : (costs.get(during) ?? 0);
    const where = during === undefined ? 'after the last table' : `before ${during}`;
    say(
      `kill ${String(k + 1).padStart(3)}      at ${(moment.atMs / 1000).toFixed(1)} s of the undisturbed run, ${where}`,
    );
  }
  const last = start(killed);
  mustEndWell(await last.program.ended, 'the last run');
  spent += await last.evaluations();

  const batch = await configuredBatch(undisturbed);
  // A call that was running when its process was killed is on no meter: at most one batch.
  const bound = spent + landed * batch;
  const limit = allowedFactor * ours + allowed;
  const checks = [
    check('kills', landed === kills, `${landed} of ${kills} landed`),
    check('log', logged === ours, `has ${whole(logged)} of the ${whole(ours)} evaluations that were counted`),
    ...(await Promise.all(['tables', 'images'].map((part) => samePart(part, undisturbed, killed)))),
    check(
      'evaluations',
      bound <= limit,
      `${whole(spent)} counted in ${started - 1} processes and at most ${whole(landed * batch)} in calls that were cut off; ` +
        `allowed ${allowedFactor} × ${whole(ours)} + ${whole(allowed)} for the shards that were cut off`,
    ),
  ];
  say(
    `interrupt: ratio ${(ours / spent).toFixed(2)} (ours ${whole(spent)} evaluations, undisturbed ${whole(ours)} evaluations)`,
  );
  return checks.every(Boolean);
}

/** Waits for the moment (for a share of its last stretch), kills, and gives the end of the process, which may have come before. */
async function killAt(
  program: ReturnType<typeof startProgram>,
  folder: string,
  moment: KillMoment,
  startUpMs: number,
  share: number,
): Promise<ProgramEnd> {
  let ended = false;
  void program.ended.finally(() => {
    ended = true;
  });
  const shardsNow = async () =>
    (await filesBelow(folder, 'tables')).filter((path) => path.endsWith('.parquet') && !hidden(path)).length;
  let waitMs = moment.afterMs;
  const before = await shardsNow();
  if (before >= moment.shards) {
    if (moment.shards > 0) waitMs += startUpMs;
  } else while (!ended && (await shardsNow()) < moment.shards) await sleep(pollMs);
  // On a machine that is quicker now than it was, the shard may be there before the moment: then that is the moment.
  const until = performance.now() + waitMs * share;
  const enough = Math.max(before, moment.shards);
  while (!ended && performance.now() < until && (await shardsNow()) <= enough)
    await Promise.race([program.ended, sleep(Math.min(pollMs, waitMs))]);
  program.kill('SIGKILL');
  return program.ended;
}

/** Temporary files have hidden names. */
function hidden(path: string): boolean {
  return path.slice(path.lastIndexOf('/') + 1).startsWith('.');
}

async function countedEvaluations(file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    // Killed before it opened its model.
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').reduce((sum, line) => sum + Number(line), 0);
}

async function configuredBatch(folder: string): Promise<number> {
  const run = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as { config: { batch: number } };
  return run.config.batch;
}

async function samePart(part: string, undisturbed: string, killed: string): Promise<boolean> {
  const wanted = await digests(undisturbed, part);
  const found = differences(wanted, await digests(killed, part));
  if (found.length > 0)
    return check(part, false, `${found.slice(0, 10).join('; ')} (${found.length} in all)`);
  return check(part, wanted.size > 0, `${whole(wanted.size)} files, all equal`);
}

function check(name: string, passed: boolean, text: string): boolean {
  say(`${name.padEnd(14)}${passed ? 'ok' : 'FAILED'}: ${text}`);
  return passed;
}

function mustEndWell(end: ProgramEnd, what: string): void {
  if (end.status !== 0) throw new VerbatimError(`${what} ended with ${end.status}:\n${end.stderr}`);
}

function wholeNumber(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new VerbatimError(`${option}: '${text}' is no whole number`);
  return value;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
