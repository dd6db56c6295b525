import { join } from 'node:path';
import { rocCurve } from '../../math/index.ts';
import { type MembershipResult, readRun, splitScores } from '../../stages/index.ts';
import { writeFileAtomic, writeJsonAtomic } from '../../tables/index.ts';
import { renderMembershipPage } from './page.ts';

export { verdictText } from './words.ts';

/**
 * Writes summary.json, report/curves.csv and report/index.html into a folder of `verbatim membership`; the page shows the pictures of
 * the folder itself. The same folder gives the same bytes.
 *
 * @throws VerbatimError when the folder cannot be written to
 */
export async function writeMembershipReport(result: MembershipResult): Promise<{ page: string }> {
  const { folder, outcome } = result;
  const page = join(folder.report, 'index.html');
  await writeJsonAtomic(join(folder.path, 'summary.json'), outcome);
  await writeFileAtomic(join(folder.report, 'curves.csv'), curvesCsv(result));
  await writeFileAtomic(page, renderMembershipPage(await readRun(folder.path), result));
  return { page };
}

/** Every point of every ROC curve; the threshold of the first point of a curve, above all scores, is empty. */
export function curvesCsv({ attacks, rows }: Pick<MembershipResult, 'attacks' | 'rows'>): string {
  const lines = ['attack,threshold,false_positive_rate,true_positive_rate'];
  for (const { name, scores } of attacks) {
    const { members, nonMembers } = splitScores(scores, rows);
    if (members.length === 0 || nonMembers.length === 0) continue;
    const { thresholds, falsePositiveRates, truePositiveRates } = rocCurve(members, nonMembers);
    thresholds.forEach((threshold, i) => {
      lines.push(
        [name, Number.isFinite(threshold) ? threshold : '', falsePositiveRates[i], truePositiveRates[i]].join(
          ',',
        ),
      );
    });
  }
  return `${lines.join('\n')}\n`;
}
