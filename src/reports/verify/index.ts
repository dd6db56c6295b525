import { join } from 'node:path';
import {
  type RunFolder,
  readRun,
  type VerificationOutcome,
  type VerificationRow,
} from '../../stages/index.ts';
import { writeFileAtomic } from '../../tables/index.ts';
import { renderVerifyPage } from './page.ts';

/**
 * Writes report/index.html into a folder of `verbatim verify`; it shows the pictures of the folder itself. The same folder
 * gives the same bytes.
 *
 * @throws VerbatimError when the folder cannot be written to
 */
export async function writeVerifyReport(
  folder: RunFolder,
  outcome: VerificationOutcome,
  rows: readonly VerificationRow[],
): Promise<{ page: string }> {
  const page = join(folder.report, 'index.html');
  await writeFileAtomic(page, renderVerifyPage(await readRun(folder.path), outcome, rows));
  return { page };
}
