import { join } from 'node:path';
import { runFolder } from '../stages/index.ts';
import { writeFileAtomic, writeJsonAtomic } from '../tables/index.ts';
import { joinCaptions } from './captions.ts';
import { chartData } from './chart-data.ts';
import { writeChartData } from './csv.ts';
import { type ReportData, readReportData } from './data.ts';
import { writeEvidence } from './evidence.ts';
import { chooseGallery, type GalleryLimits } from './gallery.ts';
import { copyImages, galleryImages } from './images.ts';
import { renderPage } from './page.ts';
import { type Summary, summarize } from './summary.ts';

export interface WrittenReport {
  /** Path of the page. */
  readonly page: string;
  readonly summary: Summary;
}

/**
 * Writes report/index.html, report/summary.json, report/data, report/evidence and the pictures that the page shows into a run folder,
 * replacing an older report's page. The page comes last: when it is there, what it names is there too.
 *
 * @param runPath the run folder
 * @param data what to report; default: what the run folder holds
 * @throws VerbatimError when the folder is no run, or cannot be written to
 */
export async function writeReport(
  runPath: string,
  data?: ReportData,
  limits: GalleryLimits = {},
): Promise<WrittenReport> {
  const source = data ?? (await readReportData(runPath));
  const folder = runFolder(runPath);
  const captions = joinCaptions(source);
  const summary = summarize(source, captions);
  const galleries = chooseGallery(captions, summary.attacks[0]?.name, limits);
  const images = await copyImages(folder, galleryImages(galleries));
  const evidence = await writeEvidence(folder, galleries, limits.evidence);
  const page = join(folder.report, 'index.html');
  await writeChartData(folder.report, chartData(summary));
  await writeJsonAtomic(join(folder.report, 'summary.json'), summary);
  await writeFileAtomic(page, renderPage(summary, source.run, galleries, images, evidence));
  return { page, summary };
}
