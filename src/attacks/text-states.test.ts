import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { Tensor } from '../math/index.ts';
import { attackNamed } from './registry.ts';
import { scoreAll } from './score.ts';
import { createSubject } from './subject.ts';
import { gaussianPipeline } from './testing/gaussians.ts';
import { createTextStates } from './text-states.ts';

/** Collects what nothing holds any more. */
const collect = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

it('text states of any number of captions are let go: the memory bound and two batches are alive at most', async () => {
  const [batch, batches, kept] = [20, 60, 3];
  const plain = gaussianPipeline();
  const made: WeakRef<Float32Array>[] = [];
  const asked: WeakRef<Float32Array>[] = [];
  const width = (await plain.encodeText(['x'])).data.byteLength;
  const watch = (list: WeakRef<Float32Array>[], { data }: Tensor<'float32'>) =>
    void list.push(new WeakRef(data));
  const subject = createSubject(
    {
      ...plain,
      async encodeText(captions) {
        const states = await plain.encodeText(captions);
        watch(made, states);
        return states;
      },
      denoiser: {
        ...plain.denoiser,
        denoise(x, sigma, condition) {
          watch(asked, condition);
          return plain.denoiser.denoise(x, sigma, condition);
        },
      },
    },
    { textStateBytes: kept * batch * width },
  );
  const alive = (list: readonly WeakRef<Float32Array>[]) =>
    list.reduce((sum, reference) => sum + (reference.deref()?.byteLength ?? 0), 0) / (batch * width);
  const most = { made: 0, asked: 0 };
  const captions = Array.from({ length: batch * batches }, (_, i) => `caption ${i}`);
  for (let from = 0; from < captions.length; from += batch) {
    await scoreAll(subject, captions.slice(from, from + batch), [attackNamed('dcs').prepare(undefined)], {
      batch,
    });
    // A WeakRef holds its target until the turn in which it was read is over.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    most.made = Math.max(most.made, alive(made));
    most.asked = Math.max(most.asked, alive(asked));
  }
  expect(made.length).toBeGreaterThanOrEqual(batches);
  // What a call of the encoder or of the denoiser was given goes with its batch; what is kept are copies, which are bounded below.
  expect(most.made).toBeLessThanOrEqual(2);
  expect(most.asked).toBeLessThanOrEqual(2);
});

it('text states are kept up to the bound: a caption that was asked for before it is encoded again', async () => {
  const plain = gaussianPipeline();
  const encoded: string[] = [];
  const width = (await plain.encodeText(['x'])).data.byteLength;
  const states = createTextStates(
    {
      encodeText: (captions) => {
        encoded.push(...captions);
        return plain.encodeText(captions);
      },
    },
    10 * width,
  );
  const all = Array.from({ length: 400 }, (_, i) => `caption ${i}`);
  for (const caption of all) await states([caption]);
  encoded.length = 0;
  const again = await states(all.slice(-10));
  expect(encoded).toEqual([]);
  expect(again.data).toEqual((await plain.encodeText(all.slice(-10))).data);
  await states(all.slice(-11, -10));
  expect(encoded).toEqual(['caption 389']);
});
