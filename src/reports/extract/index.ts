import { join } from 'node:path';
import { type ExtractedRow, type ExtractSummary, type RunFolder, readRun } from '../../stages/index.ts';
import { writeFileAtomic } from '../../tables/index.ts';
import { renderExtractPage } from './page.ts';
import { mostShown, writePairs } from './pairs.ts';

/**
 * Writes report/index.html into a folder of `verbatim extract`, with the pictures that it shows beside it. The same folder gives
 * the same bytes.
 *
 * @throws VerbatimError when the folder cannot be written to
 */
export async function writeExtractReport(
  folder: RunFolder,
  summary: ExtractSummary,
  rows: readonly ExtractedRow[],
): Promise<{ page: string }> {
  const page = join(folder.report, 'index.html');
  const found = rows.filter(({ extracted }) => extracted);
  const missed = rows.filter(({ extracted }) => !extracted);
  const pairs = await writePairs(folder, [...found.slice(0, mostShown), ...missed]);
  await writeFileAtomic(
    page,
    renderExtractPage(await readRun(folder.path), summary, { found, missed, pairs }),
  );
  return { page };
}
