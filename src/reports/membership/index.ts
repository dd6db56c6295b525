import { join } from 'node:path';
import { rocCurve } from '../../math/index.ts';
import { type MembershipResult, readRun, splitScores } from '../../stages/index.ts';
import { writeFileAtomic, writeJsonAtomic } from '../../tables/index.ts';
import { type CsvCell, csvText } from '../csv.ts';
import { copyImages } from '../images.ts';
import { renderMembershipPage } from './page.ts';

export { verdictText } from './words.ts';

/**
 * Writes summary.json, report/curves.csv and report/index.html into a folder of `verbatim membership`, with the pictures that the page
 * shows beside it. The same folder gives the same bytes.
 *
 * @throws VerbatimError when the folder cannot be written to
 */
export async function writeMembershipReport(result: MembershipResult): Promise<{ page: string }> {
  const { folder, outcome, exposed } = result;
  const page = join(folder.report, 'index.html');
  await writeJsonAtomic(join(folder.path, 'summary.json'), outcome);
  await writeFileAtomic(join(folder.report, 'curves.csv'), curvesCsv(result));
  const images = await copyImages(
    folder,
    exposed.flatMap(({ image, completion }) => [image, completion].filter((digest) => digest !== null)),
  );
  await writeFileAtomic(page, renderMembershipPage(await readRun(folder.path), { ...result, images }));
  return { page };
}

/** Every point of every ROC curve; the threshold of the first point of a curve, above all scores, is empty. */
export function curvesCsv({ attacks, rows }: Pick<MembershipResult, 'attacks' | 'rows'>): string {
  const points: CsvCell[][] = [];
  for (const { name, scores } of attacks) {
    const { members, nonMembers } = splitScores(scores, rows);
    if (members.length === 0 || nonMembers.length === 0) continue;
    const { thresholds, falsePositiveRates, truePositiveRates } = rocCurve(members, nonMembers);
    thresholds.forEach((threshold, i) => {
      points.push([name, threshold, falsePositiveRates[i]!, truePositiveRates[i]!]);
    });
  }
  return csvText(['attack', 'threshold', 'false_positive_rate', 'true_positive_rate'], points);
}
