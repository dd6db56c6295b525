import { join } from 'node:path';
import { runFolder } from '../../stages/index.ts';
import { writeFileAtomic } from '../../tables/index.ts';
import { type ReportedDataset, readDedupData } from './data.ts';
import { renderDedupPage } from './page.ts';
import { removeOldThumbnails, writeThumbnails } from './thumbnails.ts';

/**
 * Writes report/index.html and the thumbnails that it shows into the folder of `verbatim dedup`. The page comes last and
 * whole: when it is there, what it names is there too. The same folder and dataset give the same bytes.
 *
 * @param path the dedup folder
 * @param dataset the one that the folder was made of, as it was then
 * @throws VerbatimError when the folder is no finished dedup folder, or cannot be written to
 */
export async function writeDedupReport(
  path: string,
  dataset: ReportedDataset,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<{ page: string }> {
  const folder = runFolder(path);
  const data = await readDedupData(path, dataset);
  const thumbnails = await writeThumbnails(folder, dataset, data, signal);
  const page = join(folder.report, 'index.html');
  await writeFileAtomic(page, renderDedupPage(data, thumbnails));
  await removeOldThumbnails(folder, thumbnails);
  return { page };
}
