import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createTextStates } from '../src/attacks/text-states.ts';
import { openPipeline } from '../src/diffusion/index.ts';

/**
 * Text states of ever more distinct captions, through what attacks keep of them, with a small model of random weights:
 * resident memory on the way. What is kept is bounded, so the memory must not grow with the captions.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      captions: { type: 'string', default: '1000000' },
      model: {
        type: 'string',
        default: fileURLToPath(new URL('../src/models/fixtures/sd1', import.meta.url)),
      },
    },
  });
  const total = Number(values.captions);
  const batch = 256;
  const pipeline = await openPipeline(values.model, { threads: 1 });
  const states = createTextStates(pipeline, 64 * 2 ** 20);
  const started = performance.now();
  /** MiB, the largest so far, at each fifth. */
  const peaks: number[] = [];
  for (let from = 0; from < total; from += batch) {
    const captions = Array.from(
      { length: Math.min(batch, total - from) },
      (_, i) => `a photograph of ${(from + i) % 977} red lamps on table ${from + i}`,
    );
    await states(captions);
    const fifth = Math.floor((5 * (from + captions.length)) / total);
    if (fifth > peaks.length) {
      // maxRSS is in KiB.
      peaks.push(process.resourceUsage().maxRSS / 1024);
      console.log(
        `${from + captions.length} captions: ${Math.round(peaks.at(-1)!)} MiB, ${Math.round((performance.now() - started) / 1000)} s`,
      );
    }
  }
  await pipeline.close();
  const [first, last] = [peaks[0]!, peaks.at(-1)!];
  console.log(
    `text-states: ratio ${(first / last).toFixed(2)} (ours ${Math.round(last)} MiB at ${total} captions, ${Math.round(first)} MiB at a fifth of them)`,
  );
}
