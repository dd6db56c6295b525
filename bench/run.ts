/**
 * `npm run bench -- NAME`: one benchmark against its peer. The last line is
 * `NAME: ratio R (ours A UNIT, PEER B UNIT)`, R > 1 meaning that we are better.
 */
const benchmarks: Record<string, () => Promise<{ main(): Promise<void> }>> = {
  'train-step': () => import('./trainStep.ts'),
  denoise: () => import('./denoise.ts'),
};

const name = process.argv[2];
const load = name === undefined ? undefined : benchmarks[name];
if (!load) {
  process.stderr.write(
    `usage: npm run bench -- NAME, where NAME is one of ${Object.keys(benchmarks).join(', ')}\n`,
  );
  process.exit(2);
}
await (await load()).main();
