import {
  cosineSimilarity,
  openDescriptor,
  splitProduct,
  type VectorDescriptor,
} from '../descriptors/index.ts';
import { VerbatimError } from '../errors.ts';
import {
  descriptorLabel,
  failedLabel,
  type GeneratedPicture,
  type Label,
  type SimilarTo,
} from '../labels/index.ts';
import { openExactSearch, type VectorSearch } from '../search/index.ts';
import type { AuditConfig } from './config.ts';
import type { AuditData } from './data.ts';
import { type OpenIndex, openIndex, requireDescriptor } from './indexing.ts';

/** Labels by a descriptor, over an index of the training set. */
export interface DescriptorLabels {
  label(subjects: readonly GeneratedPicture[], signal?: AbortSignal): Promise<Label[]>;
  close(): Promise<void>;
}

/** Neighbours of which the most similar by split-product is taken. */
const proposed = 16;

/**
 * Opens the index that `labels.descriptor` names; undefined where it names none.
 *
 * @throws VerbatimError (exit code 2) when it is no index of this training set, or of another descriptor
 */
export async function openDescriptorLabels(
  { labels, threads }: Pick<AuditConfig, 'labels' | 'threads'>,
  data: Pick<AuditData, 'name' | 'digest'>,
): Promise<DescriptorLabels | undefined> {
  const config = labels.descriptor;
  if (config === undefined) return undefined;
  const index = await openIndex(config.index);
  const { dataset, model } = index.description;
  let opened: { close(): Promise<void> } | undefined;
  try {
    if (dataset.digest !== data.digest)
      throw new VerbatimError(
        `labels.descriptor.index: ${config.index} is an index of ${dataset.name} (${dataset.digest.slice(0, 12)}), not of the training set ${data.name} (${data.digest.slice(0, 12)}); make one of that with "verbatim index"`,
        { exitCode: 2 },
      );
    const options = threads === undefined ? {} : { threads };
    const descriptor = await openDescriptor(model.name, config.network, options);
    opened = descriptor;
    requireDescriptor(config.index, index, descriptor);
    if (descriptor.kind === 'bits')
      throw new VerbatimError(
        `labels.descriptor.index: ${config.index} holds hashes (${model.name}), which have no level of similarity; make an index of vectors`,
        { exitCode: 2 },
      );
    return descriptorLabels(
      descriptor,
      index,
      await openExactSearch(index.vectors, options),
      config.threshold,
    );
  } catch (error) {
    await Promise.all([index.vectors.close(), opened?.close()]);
    throw error;
  }
}

function descriptorLabels(
  descriptor: VectorDescriptor,
  index: OpenIndex,
  search: VectorSearch,
  threshold: number,
): DescriptorLabels {
  const { dimension, chunks } = descriptor;
  const similarity = (a: Float32Array, b: Float32Array) =>
    chunks === 1 ? cosineSimilarity(a, b) : splitProduct(a, b, chunks);
  return {
    async label(subjects, signal) {
      const sound = subjects.filter(({ picture }) => picture !== null);
      const vectors = await descriptor.describe(sound.map(({ picture }) => picture!));
      const found = await search.search(vectors, proposed, signal === undefined ? {} : { signal });
      const labels = new Map<GeneratedPicture, Label>();
      for (const [i, subject] of sound.entries()) {
        const vector = vectors.slice(i * dimension, (i + 1) * dimension);
        const candidates = found[i]!.map((neighbour) => neighbour.index);
        const rows = await index.vectors.rows(candidates);
        const near = candidates.map(
          (row, at): SimilarTo => ({
            index: index.pictures[row]!.dataset_index,
            similarity: similarity(vector, rows.slice(at * dimension, (at + 1) * dimension)),
          }),
        );
        const owns = await descriptor.describe(subject.own.map(({ picture }) => picture));
        const own = subject.own.map(
          (picture, at): SimilarTo => ({
            index: picture.index,
            similarity: similarity(vector, owns.slice(at * dimension, (at + 1) * dimension)),
          }),
        );
        labels.set(subject, descriptorLabel(subject, mostSimilar(own), mostSimilar(near), threshold));
      }
      return subjects.map(
        (subject) =>
          labels.get(subject) ??
          failedLabel(subject, 'descriptor', subject.error ?? 'there is no generated picture'),
      );
    },
    async close() {
      await Promise.all([search.close(), descriptor.close()]);
    },
  };
}

function mostSimilar(all: readonly SimilarTo[]): SimilarTo | null {
  let best: SimilarTo | null = null;
  for (const one of all) if (best === null || one.similarity > best.similarity) best = one;
  return best;
}
