import { basename, join, resolve } from 'node:path';
import { VerbatimError } from '../errors.ts';
import type { Rule } from '../labels/index.ts';
import { runFolder } from '../stages/index.ts';
import { writeFileAtomic, writeJsonAtomic } from '../tables/index.ts';
import { decidingRule, joinCaptions } from './captions.ts';
import { chartData } from './chart-data.ts';
import { cliqueImages } from './cliques.ts';
import { writeChartData } from './csv.ts';
import { type ReportData, readReportData } from './data.ts';
import { writeEvidence } from './evidence.ts';
import { type FoundCurve, foundCurve } from './found-curve.ts';
import { chooseGallery, type GalleryLimits } from './gallery.ts';
import { copyImages, galleryImages } from './images.ts';
import { renderPage } from './page.ts';
import { type Summary, summarize } from './summary.ts';

export interface WrittenReport {
  /** Path of the page. */
  readonly page: string;
  readonly summary: Summary;
}

export interface ReportOptions {
  /** Folders of other runs whose curve of what was found is drawn too. */
  readonly beside?: readonly string[];
}

/**
 * What other runs found against what they spent.
 *
 * @param rule what decides in this run: a curve that counts by another rule would say nothing beside it
 * @throws VerbatimError (exit code 2) for one that is not labelled, or by another rule
 */
async function curvesOf(paths: readonly string[], rule: Rule | undefined): Promise<FoundCurve[]> {
  return Promise.all(
    paths.map(async (path) => {
      const data = await readReportData(path);
      const refuse = (what: string) => new VerbatimError(`${path} ${what}`, { exitCode: 2 });
      if (!data.labelled) throw refuse(`has no labels to draw; run first: verbatim label ${path}`);
      const other = decidingRule(data.labels);
      if (rule !== undefined && other !== undefined && other !== rule)
        throw refuse(
          `counts what the rule "${other}" found, this run what "${rule}" did; to compare them label one anew: verbatim label ${path} --again --set labels.rules=[${rule}]`,
        );
      return foundCurve(data, joinCaptions(data), basename(resolve(path)));
    }),
  );
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
  options: GalleryLimits & ReportOptions = {},
): Promise<WrittenReport> {
  const source = data ?? (await readReportData(runPath));
  const folder = runFolder(runPath);
  const captions = joinCaptions(source);
  const beside = await curvesOf(options.beside ?? [], decidingRule(source.labels));
  const summary = summarize(source, captions, beside);
  const galleries = chooseGallery(captions, summary.attacks[0]?.name, options);
  const images = await copyImages(folder, [
    ...galleryImages(galleries),
    ...cliqueImages(source.cliques, captions),
  ]);
  const evidence = await writeEvidence(folder, galleries, options.evidence);
  const page = join(folder.report, 'index.html');
  await writeChartData(folder.report, chartData(summary));
  await writeJsonAtomic(join(folder.report, 'summary.json'), summary);
  await writeFileAtomic(page, renderPage(summary, source, captions, galleries, images, evidence));
  return { page, summary };
}
