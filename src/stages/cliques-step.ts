import { expectedSamples, prepareCliques } from '../attacks/index.ts';
import { VerbatimError } from '../errors.ts';
import { onlyRound } from './budget.ts';
import type { CascadeStep, StepPlace } from './cascade.ts';
import type { CliquesStepConfig } from './cascade-schema.ts';
import { flaggedCaptions, runCliques, runExtracted } from './cliques.ts';
import { guidanceText, picturesText, plannedScores, sampleCost } from './planned.ts';
import { runScores } from './scores.ts';
import { writeSelection } from './selections.ts';

/**
 * A step that generates many samples of each caption and flags those whose samples are one picture. Only flagged captions go
 * on. As the last step it has the pictures to be labelled already.
 *
 * @throws VerbatimError (exit code 2) for an option that does not fit, or a second step of this kind
 */
export function cliquesStep(step: CliquesStepConfig, place: StepPlace): CascadeStep {
  const { number, config } = place;
  const label = step.as ?? step.attack;
  const prepared = prepareCliques(step.options);
  const before = config.cascade.slice(0, number - 1).findIndex(({ attack }) => attack === 'cliques');
  if (before >= 0)
    throw new VerbatimError(
      `cascade.${number - 1}: cliques is the attack of cascade.${before} too; a run generates and filters once`,
      { exitCode: 2 },
    );
  const last = number === config.cascade.length;
  const attacks = number === 1 ? place.alsoScore : [];
  return {
    label,
    samples: true,
    attacks,
    plan: ({ count, text }, generator) => {
      const { samples, sequential, clique, tiles } = prepared.options;
      const [height, width] = generator.pictureSize;
      if (tiles > Math.min(width, height))
        throw new VerbatimError(
          `cascade.${number - 1}.options.tiles: pictures of ${width}×${height} pixels cannot be cut into ${tiles}×${tiles} tiles; take fewer`,
          { exitCode: 2 },
        );
      const { never, always } = expectedSamples(prepared);
      const saving =
        sequential === false
          ? ''
          : `; ${Math.round(never)} where no two are alike, ${Math.round(always)} where all are one picture`;
      return {
        stages: [
          ...plannedScores(number, attacks, { count, text }, generator),
          {
            name: 'cliques',
            what: `up to ${picturesText(generator, { ...config.synthesis, samples })}${guidanceText(generator, config.synthesis)} for ${text}, until ${clique} are alike${saving}`,
            items: count,
            evaluations: count * samples * sampleCost(generator, config.synthesis),
            pictures: generator.pipeline === undefined ? count * samples : 0,
          },
        ],
        kept: Math.min(step.keep, count),
      };
    },
    run: async (input, entering) => {
      await runScores(input, number, attacks, entering);
      await runCliques(input, prepared, entering);
      return writeSelection(input, { number, label, kept: 0, round: onlyRound }, entering, () =>
        flaggedCaptions(input, step.keep),
      );
    },
    ...(last && { pictures: runExtracted }),
  };
}
