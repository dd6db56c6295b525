import { encodePng } from '../images/index.ts';
import {
  type CopyFindings,
  type GeneratedPicture,
  type Label,
  labelPictures,
  matchTemplates,
  pictureView,
  type Rule,
  workingPicture,
} from '../labels/index.ts';
import { putFile } from '../tables/index.ts';
import { openCalibration, type RunCalibration } from './calibration.ts';
import { type LabelRow, labelColumns } from './columns.ts';
import { type Compared, comparedPictures } from './compared.ts';
import type { AuditConfig } from './config.ts';
import { copyKey, readCopies, runCopies } from './copies.ts';
import { openDescriptorLabels } from './descriptor-labels.ts';
import { type NamedFamily, runFamilies, storeMask } from './families.ts';
import type { ModelInput, StageInput } from './flow.ts';
import { captionsPerShard } from './generations.ts';
import { needsHeldOut } from './held-out.ts';
import { runTable } from './run-folder.ts';
import { cutShards, runStage } from './stage.ts';
import { readSubjects, readSyntheses, synthesizedCandidates } from './subjects.ts';

/**
 * Compares every full synthesis with the training set: tables/labels, a row per (picture, rule), from tables/copies and
 * tables/families where rules need them. The pictures that captions were written for, and every training picture that a
 * finding names, go to images/.
 */
export async function runLabels(input: ModelInput): Promise<void> {
  const { config, folder, signal, onProgress } = input;
  const files = await runTable(folder, 'generations');
  const groups = await Promise.all(
    groupFiles(files, config).map(async (group) => ({
      files: group,
      size: (await readSyntheses(group)).length,
    })),
  );
  const candidates = await synthesizedCandidates(input, files);
  const compared = comparedPictures(input);
  const withCopies = config.labels.rules.some((rule) => rule === 'aligned' || rule === 'local');
  const calibration = needsHeldOut(config) ? await openCalibration(input, compared, withCopies) : undefined;
  const copies = calibration?.copies ?? undefined;
  if (copies !== undefined) await runCopies(input, groups, candidates, compared);
  const families = copies === undefined ? [] : await runFamilies(input, candidates, compared, copies);
  const found = copies === undefined ? undefined : await readCopies(input);
  const descriptor = await openDescriptorLabels(config, input.data);
  await runStage({
    folder,
    name: 'labels',
    columns: labelColumns,
    shards: groups,
    items: ({ size }) => size,
    signal,
    onProgress,
    process: async ({ files: group }, context) => {
      const rows = await readSyntheses(group);
      const subjects = await readSubjects(input, rows, candidates);
      context.signal?.throwIfAborted();
      const findings = await withTemplates(input, subjects, found, families, compared);
      const labels = await labelSubjects(input, subjects, compared, calibration, findings, families);
      const described = (await descriptor?.label(subjects, signal)) ?? [];
      return storeFindings(input, interleaved(subjects, labels, described));
    },
  }).finally(() => descriptor?.close());
}

/** Each picture's labels together: those of the rules, then the descriptor's. */
function interleaved(
  subjects: readonly GeneratedPicture[],
  labels: readonly Label[],
  described: readonly Label[],
): Label[] {
  const perSubject = labels.length / subjects.length;
  return subjects.flatMap((_, i) => [
    ...labels.slice(i * perSubject, (i + 1) * perSubject),
    ...described.slice(i, i + 1),
  ]);
}

/** Each shard goes through the whole training set, so several of the generations' small shards make one. */
function groupFiles(files: readonly string[], config: AuditConfig): string[][] {
  return cutShards(files, Math.max(1, Math.floor(config.shardSize / captionsPerShard(config))));
}

/** What was found of each picture, and the template that it comes nearest to. */
async function withTemplates(
  { config, generator, signal }: ModelInput,
  subjects: readonly GeneratedPicture[],
  found: ReadonlyMap<string, Omit<CopyFindings, 'template'>> | undefined,
  families: readonly NamedFamily[],
  compared: Compared,
): Promise<Map<GeneratedPicture, CopyFindings>> {
  const findings = new Map<GeneratedPicture, CopyFindings>();
  if (found === undefined) return findings;
  const [height, width] = generator.pictureSize;
  const known = subjects.filter((subject) => subject.picture !== null && found.has(copyKey(subject)));
  const matches = await matchTemplates(
    known.map(({ picture }) => workingPicture(pictureView(picture!, { width, height }))),
    families,
    compared.copies,
    (await compared.unrelated()).pictures,
    { ...(config.threads !== undefined && { threads: config.threads }), ...(signal && { signal }) },
  );
  known.forEach((subject, i) => {
    const match = matches[i];
    const family = match == null ? undefined : families[match.family]!;
    findings.set(subject, {
      ...found.get(copyKey(subject))!,
      template:
        family === undefined
          ? null
          : {
              family: family.name,
              seed: family.seed,
              distance: match!.distance,
              around: match!.around,
              ratio: match!.ratio,
              mask: family.mask,
            },
    });
  });
  return findings;
}

async function labelSubjects(
  { config, signal }: StageInput,
  subjects: readonly GeneratedPicture[],
  { training }: Compared,
  calibration: RunCalibration | undefined,
  findings: ReadonlyMap<GeneratedPicture, CopyFindings>,
  families: readonly NamedFamily[],
): Promise<Label[]> {
  const { rules, referenceThreshold } = config.labels;
  const familyOf = new Map(families.flatMap(({ name, members }) => members.map((at) => [at, name] as const)));
  const copies = calibration?.copies ?? null;
  return labelPictures(subjects, {
    training,
    rules: (rules as readonly Rule[]).filter(
      (rule) => copies !== null || (rule !== 'aligned' && rule !== 'local'),
    ),
    referenceThreshold,
    ...(calibration !== undefined && { calibration }),
    ...(copies !== null && {
      aligned: { calibration: copies, familyOf: (index: number) => familyOf.get(index) },
    }),
    findings: (subject) => findings.get(subject),
    nearest: { ...(config.threads !== undefined && { threads: config.threads }), ...(signal && { signal }) },
  });
}

/** Labels as rows; a training picture that is a finding's and not stored yet is stored. */
async function storeFindings({ data, folder }: StageInput, labels: readonly Label[]): Promise<LabelRow[]> {
  const json = (value: unknown) => (value === null ? null : JSON.stringify(value));
  const rows: LabelRow[] = [];
  for (const label of labels) {
    const found = label.verdict !== null && label.verdict !== 'none';
    let { trainingImage } = label;
    if (found && trainingImage === null && label.trainingIndex !== null) {
      const picture = await data.training.picture(label.trainingIndex);
      trainingImage = await putFile(folder.images, await encodePng(picture), 'png');
    }
    rows.push({
      key: label.key,
      sample: label.sample,
      image: label.image,
      rule: label.rule,
      verdict: label.verdict,
      distance: label.distance,
      threshold: label.threshold,
      training_index: label.trainingIndex,
      training_image: trainingImage,
      transform: json(label.transform),
      region: json(label.region),
      mask: label.mask === null ? null : await storeMask(folder, label.mask),
      family: label.family,
      evidence: json(label.evidence),
      error: label.error,
    });
  }
  return rows;
}
