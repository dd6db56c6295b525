import { samplerNames } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import { pictureMask } from '../images/index.ts';
import { distanceAgain, type KeptCopies, type KeptFinding, type Rule } from '../labels/index.ts';
import {
  type CopyRow,
  copyColumns,
  type GenerationRow,
  type LabelRow,
  type Making,
  type RecordedFindings,
  type RecordedPicture,
  type RunFolder,
  runFolder,
  runTable,
} from '../stages/index.ts';
import { readTable, sha256 } from '../tables/index.ts';
import { joinCaptions } from './captions.ts';
import { type ReportData, readReportData } from './data.ts';

import { isFound } from './findings.ts';
import { readStored } from './images.ts';
import { transformOf } from './words.ts';

/**
 * The findings of a run, for `verifyFindings`: every sample of a found caption that the deciding rule labels and that nobody
 * has rejected, with all that is needed to make and to judge it again without the training set.
 *
 * @throws VerbatimError (exit code 2) when the folder is no labelled run
 */
export async function recordedFindings(path: string): Promise<RecordedFindings> {
  const folder = runFolder(path);
  const data = await readReportData(path);
  if (data.run.command !== 'audit')
    throw new VerbatimError(`${path} is no audit's run but one of ${data.run.command}; it has no findings`, {
      exitCode: 2,
    });
  if (!data.labelled)
    throw new VerbatimError(
      `${path} has no labels, so there is nothing to verify; run first: verbatim label ${path}`,
      {
        exitCode: 2,
      },
    );
  const files = await runTable(folder, 'copies');
  const copies = new Map(
    (await readTable(files, copyColumns)).map((row) => [`${row.key} ${row.sample}`, row]),
  );
  const pictures = joinCaptions(data)
    .filter((caption) => isFound(caption))
    .flatMap(({ key, caption, rule, samples }) =>
      samples.flatMap(({ sample, labels, generation, review }) => {
        const label = labels[rule];
        if (label === undefined || label.verdict === null || label.verdict === 'none') return [];
        if (review?.decision === 'reject' || generation === undefined) return [];
        return recordedPicture(folder, data, caption, label, generation, copies.get(`${key} ${sample}`));
      }),
    );
  const recorded = pictures.map(({ finding, caption, seed, making, image, distance, threshold }) => [
    finding,
    caption,
    String(seed),
    making,
    image,
    distance,
    threshold,
  ]);
  return { name: data.run.model.name, digest: sha256(JSON.stringify(recorded)), pictures };
}

function recordedPicture(
  folder: RunFolder,
  { calibration }: ReportData,
  caption: string,
  label: LabelRow,
  generation: GenerationRow,
  copies: CopyRow | undefined,
): RecordedPicture {
  const found = () => stored(folder, label.image, 'the generated picture');
  return {
    finding: `${label.key} ${label.sample}`,
    caption,
    verdict: label.verdict!,
    rule: label.rule,
    seed: generation.seed,
    making: makingOf(generation),
    image: label.image,
    distance: label.distance,
    threshold: label.threshold,
    picture: found,
    async judge(picture) {
      const { distance, threshold } = label;
      if (distance === null || threshold === null) return null;
      const kept: KeptFinding = {
        rule: label.rule as Rule,
        verdict: label.verdict as KeptFinding['verdict'],
        distance,
        found: await found(),
        training: await stored(folder, label.training_image, 'the training picture'),
        transform: transformOf(label) ?? null,
        mask: label.mask === null ? null : pictureMask(await stored(folder, label.mask, 'the mask')),
        copies: keptCopies(label, copies, calibration),
      };
      const again = distanceAgain(kept, picture);
      if (again === null)
        throw new VerbatimError(
          `the run keeps too little to judge another picture by the rule ${label.rule}`,
        );
      // As the rules decide: the reference's strictly below.
      const verbatim = label.rule === 'reference' ? again < threshold : again <= threshold;
      return { distance: again, threshold, verbatim };
    },
  };
}

async function stored(folder: RunFolder, digest: string | null, what: string): Promise<Picture> {
  const found = await readStored(folder, digest);
  if (found === undefined) throw new VerbatimError(`${what} is not in the run's images/`);
  return found.picture;
}

/** What a generation was made with; a text where the run does not tell all of it. */
function makingOf({ steps, sampler, guidance, noise }: GenerationRow): Making | string {
  const name = samplerNames.find((known) => known === sampler);
  const source = (['torch-cpu', 'torch-cuda'] as const).find((known) => known === noise);
  // A service may not take a number of steps, or a seed: its pictures cannot be made here.
  if (name === undefined || source === undefined || steps === null || guidance === null)
    return 'how this picture was made is not recorded in full, so it cannot be made again';
  return { steps, sampler: name, guidance, noise: source };
}

/** What was explained by the very training picture that the label names. */
function keptCopies(
  label: LabelRow,
  copies: CopyRow | undefined,
  calibration: ReportData['calibration'],
): KeptCopies | null {
  if (typeof copies?.found !== 'string' || !calibration?.copies) return null;
  const found = JSON.parse(copies.found) as Found;
  const copied = [found.own?.whole, found.whole]
    .filter((one) => one != null && one.index === label.training_index)
    .sort((a, b) => b!.explained - a!.explained)[0];
  if (copied == null) return null;
  return {
    explained: copied.explained,
    cells: copied.cells,
    explainedThreshold: calibration.copies.whole.threshold,
    rmsThreshold: calibration.threshold,
  };
}

interface Copied extends Pick<KeptCopies, 'explained' | 'cells'> {
  readonly index: number | null;
}
interface Found {
  readonly whole: Copied | null;
  readonly own: { readonly whole: Copied } | null;
}
