import { z } from 'zod';
import { defineAttack } from './define.ts';
import { guidanceOption, seedsOption, sigmaOption } from './options.ts';
import { addMeanSquares } from './squares.ts';

/**
 * DCS averaged over ε and −ε, unguided by default. In mean((x − D)²) the cross term 2σ·ε·D is noise that
 * hides the signal of one ε; where D does not depend on ε, as for a memorized caption, it cancels between
 * the two. Ours; antithetic variates are from Hammersley and Morton 1956.
 */
export const dcsAntithetic = defineAttack({
  name: 'dcs-antithetic',
  access: 'denoiser',
  describe: 'DCS averaged over a noise and its negative, unguided, so that the cross term cancels.',
  options: z.strictObject({ seeds: seedsOption(0), sigma: sigmaOption(), guidance: guidanceOption(1) }),
  cost: ({ seeds, guidance }) => ({
    perCaption: 2 * seeds.length,
    shared: guidance === 1 ? 0 : 2 * seeds.length,
  }),
  async measure(outputs, { seeds, sigma, guidance }) {
    const scores = new Array<number>(outputs.captions.length).fill(0);
    for (const seed of seeds)
      for (const sign of [1, -1] as const) {
        const cell = { sigma, seed, sign };
        const weight = 1 / (2 * seeds.length);
        addMeanSquares(scores, await outputs.guided(cell, guidance), outputs.input(cell), weight);
      }
    return scores;
  },
});
