import { join } from 'node:path';
import {
  type ExtractedRow,
  type ExtractSummary,
  extractedColumns,
  type RunFolder,
  readRun,
} from '../../stages/index.ts';
import { writeFileAtomic } from '../../tables/index.ts';
import { csvText } from '../csv.ts';
import { renderExtractPage } from './page.ts';
import { mostShown, writePairs } from './pairs.ts';

/**
 * Writes extracted.csv, the extracted images alone, for spreadsheets, and report/index.html into a folder of `verbatim extract`, with
 * the pictures that the page shows beside it. The same folder gives the same bytes.
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
  await writeFileAtomic(join(folder.path, 'extracted.csv'), extractedCsv(found));
  const pairs = await writePairs(folder, [...found.slice(0, mostShown), ...missed]);
  await writeFileAtomic(
    page,
    renderExtractPage(await readRun(folder.path), summary, { found, missed, pairs }),
  );
  return { page };
}

function extractedCsv(found: readonly ExtractedRow[]): string {
  const columns = Object.keys(extractedColumns).filter(
    (name): name is Exclude<keyof ExtractedRow, 'extracted' | 'error'> =>
      name !== 'extracted' && name !== 'error',
  );
  return csvText(
    columns,
    found.map((row) => columns.map((name) => row[name])),
  );
}
