import { VerbatimError } from '../src/errors.ts';

/**
 * `npm run bench -- NAME [OPTIONS]`: one benchmark. Those with a peer print as their last line
 * `NAME: ratio R (ours A UNIT, PEER B UNIT)`, the others hold us to a limit in the same form; R > 1 means
 * that we are better.
 */
interface Benchmark {
  readonly about: string;
  load(): Promise<{ main(args: readonly string[]): Promise<void> }>;
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  'train-step': {
    about: 'one training step of the miniature against PyTorch, samples per second',
    load: () => import('./trainStep.ts'),
  },
  denoise: {
    about: 'the denoiser, batch 16, against diffusers and PyTorch, evaluations per second',
    load: () => import('./denoise.ts'),
  },
  'full-size': {
    about: "Stable Diffusion 1.5's UNet at full size against diffusers: load, memory, evaluations per second",
    load: () => import('./fullSize.ts'),
  },
  providers: {
    about: "Stable Diffusion 1.5's UNet with every provider that works here: evaluations per second",
    load: () => import('./providers.ts'),
  },
  diffusers: {
    about: 'the shipped miniature opened by diffusers: its one-step output against ours',
    load: () => import('./diffusers.ts'),
  },
  labels: {
    about: 'precision and recall of the labels over changed photographs, per kind of change',
    load: () => import('./labels.ts'),
  },
  labelling: {
    about: 'seconds to label 1,000 pictures against 100,000 training pictures, step by step',
    load: () => import('./labelling.ts'),
  },
  'exact-search': {
    about: 'exact nearest neighbours against faiss-cpu, queries per second',
    load: () => import('./exactSearch.ts'),
  },
  'tiled-distance': {
    about: "all pairs of 500 samples under Carlini's tiled distance against NumPy and PyTorch, seconds",
    load: () => import('./tiledDistance.ts'),
  },
  'dedup-vectors': {
    about: 'all pairs of similar vectors, up to a million, against faiss-cpu, seconds and recall',
    load: () => import('./dedupVectors.ts'),
  },
  phash: {
    about: 'perceptual hashes of 10,000 photographs against imagehash: how many are equal, and how fast',
    load: () => import('./phash.ts'),
  },
  'dedup-levels': {
    about: 'precision and recall of each level of dedup over changed copies, per kind of change',
    load: () => import('./dedupLevels.ts'),
  },
  'cifar-duplicates': {
    about: 'near-duplicates of CIFAR-10 at several thresholds, with pictures of the largest groups',
    load: () => import('./cifarDuplicates.ts'),
  },
  'read-shards': {
    about:
      'JPEGs in tars and Parquet decoded to 64×64 against PyTorch DataLoader and Pillow, pictures per second',
    load: () => import('./readShards.ts'),
  },
  demo: {
    about: '`verbatim demo` as a whole process: seconds, evaluations, resident memory',
    load: () => import('./demo.ts'),
  },
  budget: {
    about: "an audit with a budget against the paper's cascade: evaluations per extracted training image",
    load: () => import('./budget.ts'),
  },
  cliques: {
    about:
      'generate-and-filter on twin A: recall, false positives, and samples that the sequential test saves',
    load: () => import('./cliques.ts'),
  },
  calibration: {
    about: 'p-values and false discoveries of three attacks on the miniature: observed against nominal',
    load: () => import('./calibration.ts'),
  },
  'http-audit': {
    about: 'the miniature audited through each HTTP protocol against the local audit: images found',
    load: () => import('./httpAudit.ts'),
  },
  'text-states': {
    about: 'resident memory over a million captions against a fifth of them: what is kept of text is bounded',
    load: () => import('./textStates.ts'),
  },
  interrupt: {
    about: 'an audit killed at random moments and gone on with: same bytes, at what cost',
    load: () => import('./interrupt.ts'),
  },
};

function usage(): string {
  const lines = Object.entries(benchmarks).map(([name, { about }]) => `  ${name.padEnd(14)}${about}`);
  return `usage: npm run bench -- NAME [OPTIONS]\n\n${lines.join('\n')}\n\nnpm run bench -- NAME --help lists the options of one that has some.\n`;
}

const [name, ...args] = process.argv.slice(2);
const benchmark = name !== undefined && Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (benchmark !== undefined) {
  try {
    await (await benchmark.load()).main(args);
  } catch (error) {
    // What the user can mend is one line (or what a process that failed said); a defect shows its stack.
    const usageError = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') ?? false;
    const expected = error instanceof VerbatimError || usageError;
    const { message, stack } = error as Error;
    process.stderr.write(`${name}: ${expected ? message : stack}\n`);
    process.exitCode = usageError ? 2 : 1;
  }
} else if (name === undefined || name === 'help' || name === '--help') {
  process.stdout.write(usage());
} else {
  process.stderr.write(`no benchmark '${name}'\n${usage()}`);
  process.exitCode = 2;
}
