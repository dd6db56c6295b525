import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../../errors.ts';
import { createMeter } from '../../runtime/index.ts';
import { scoreAll } from '../score.ts';
import { createImageSubject, createSubject } from '../subject.ts';
import type { Attack } from '../types.ts';
import { gaussianPipeline } from './gaussians.ts';

const captions = [
  'memorized sunflowers',
  'a red bicycle',
  'memorized poster of a film',
  'two cups',
  'the harbour at night',
  'memorized flag',
  'a red bicycle',
];
const isMemorized = captions.map((caption) => caption.startsWith('memorized'));

/** What every attack must keep, whatever it measures. `options` are tried beside the defaults. */
export function attackConformance(attack: Attack, options: readonly unknown[]): void {
  describe.each([undefined, ...options].map((given) => [JSON.stringify(given), given] as const))(
    `${attack.name} with options %s`,
    (_, given) => {
      it('scores what is memorized above what is not', async () => {
        const scores = await attack.score(createSubject(gaussianPipeline()), captions, given);
        const of = (memorized: boolean) =>
          scores.filter((_, i) => isMemorized[i] === memorized).map(({ score }) => score);
        expect(scores.every(({ score }) => Number.isFinite(score))).toBe(true);
        expect(Math.min(...of(true))).toBeGreaterThan(Math.max(...of(false)));
      });

      it('is deterministic, and a caption’s score does not depend on the other captions', async () => {
        const first = await attack.score(createSubject(gaussianPipeline()), captions, given);
        expect(await attack.score(createSubject(gaussianPipeline()), captions, given)).toEqual(first);
        const reversed = await attack.score(createSubject(gaussianPipeline()), captions.toReversed(), given);
        expect(reversed.toReversed()).toEqual(first);
      });

      it('does not depend on any batch size', async () => {
        const [whole] = (await scoreAll(createSubject(gaussianPipeline()), captions, [attack.prepare(given)]))
          .scores;
        for (const batch of [1, 2, 3]) {
          const subject = createSubject(gaussianPipeline({ batch }));
          const [scores] = (await scoreAll(subject, captions, [attack.prepare(given)], { batch })).scores;
          scores!.forEach(({ score, evaluations }, i) => {
            expect(Math.abs(score - whole![i]!.score)).toBeLessThanOrEqual(1e-5 * Math.abs(whole![i]!.score));
            expect(evaluations).toBe(whole![i]!.evaluations);
          });
        }
      });

      it('counts its evaluations as the denoiser does, and as its cost says', async () => {
        const meter = createMeter();
        const subject = createSubject(gaussianPipeline({ meter }));
        const prepared = attack.prepare(given);
        const distinct = [...new Set(captions)];
        const { scores, alone, spent } = await scoreAll(subject, distinct, [prepared], { batch: 4 });
        expect(spent.conditional + spent.unconditional).toBe(meter.evaluations);
        expect(alone[0]).toEqual(spent);
        expect(spent).toEqual({
          conditional: prepared.cost.perCaption * distinct.length,
          unconditional: prepared.cost.shared,
        });
        for (const { evaluations } of scores[0]!) expect(evaluations).toBe(prepared.cost.perCaption);
      });

      it('gives NaN, not a rank, where the denoiser fails', async () => {
        const scores = await attack.score(createSubject(gaussianPipeline({ broken: true })), captions, given);
        expect(scores.every(({ score }) => Number.isNaN(score))).toBe(true);
      });

      it('lets one failed caption fail alone', async () => {
        const whole = await attack.score(createSubject(gaussianPipeline()), captions, given);
        const subject = createSubject(gaussianPipeline({ broken: captions[3]! }));
        expect(await attack.score(subject, captions, given)).toEqual(
          whole.map((score, i) => (i === 3 ? { ...score, score: Number.NaN } : score)),
        );
      });
    },
  );

  describe(`${attack.name}, misused`, () => {
    it('names the option that it does not know, and the nearest', () => {
      const prepare = () => attack.prepare({ sead: [1] });
      expect(prepare).toThrow(VerbatimError);
      expect(prepare).toThrow(`Attack "${attack.name}": there is no option "sead"; did you mean "seeds"?`);
    });

    it.each([{ seeds: [] }, { seeds: [3, 3] }, { seeds: [-1] }, { seeds: 'all' }])('refuses %j', (given) => {
      expect(() => attack.prepare(given)).toThrow(`Attack "${attack.name}": option "seeds`);
    });

    it('refuses options that are no map', () => {
      expect(() => attack.prepare(3)).toThrow('options must be a map of seeds');
    });

    it('refuses noise levels outside of the model’s', async () => {
      if (!Object.hasOwn(attack.prepare().options, 'sigma')) return;
      for (const sigma of [0.001, 80])
        await expect(attack.score(createSubject(gaussianPipeline()), captions, { sigma })).rejects.toThrow(
          `"sigma" is ${sigma}`,
        );
      expect(() => attack.prepare({ sigma: 0 })).toThrow(`Attack "${attack.name}": option "sigma"`);
    });

    it('says what access is missing, before anything is computed', async () => {
      let asked = 0;
      const subject = createImageSubject({
        name: 'a service',
        onestep: async (captions) => {
          asked++;
          return captions.map(() => ({ width: 8, height: 8, data: new Uint8Array(192) }));
        },
      });
      if (attack.access === 'image') {
        expect((await attack.score(subject, captions)).length).toBe(captions.length);
        expect(subject.spent.conditional).toBeGreaterThan(0);
        return;
      }
      await expect(attack.score(subject, captions)).rejects.toThrow(
        `Attack "${attack.name}" needs access to the ${attack.access} of its subject, but "a service" gives only the image`,
      );
      expect(asked).toBe(0);
    });

    it('has nothing to say on no captions', async () => {
      expect(await attack.score(createSubject(gaussianPipeline()), [])).toEqual([]);
    });
  });
}
