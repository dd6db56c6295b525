import { failedLabel, labelOf } from './row.ts';
import type { GeneratedPicture, Label } from './types.ts';

/** Cosine (or split-product) with one picture. */
export interface SimilarTo {
  /** Position in the training set; null for a picture that is not in it. */
  readonly index: number | null;
  readonly similarity: number;
}

/**
 * The usual bars of a copy-detection descriptor: above .5 a copied object or composition (Somepalli 2023), above .75 a copy in
 * nine of ten cases (SSCD's own guide, Pizzi et al. 2022), above .95 a duplicate.
 */
export function similarityLevel(similarity: number): 'duplicate' | 'copy' | 'similar' | 'none' {
  if (similarity > 0.95) return 'duplicate';
  if (similarity > 0.75) return 'copy';
  return similarity > 0.5 ? 'similar' : 'none';
}

/**
 * Object-level replication, which pixels cannot see: MV when one of the caption's own pictures is more similar than the
 * threshold, RV when another training picture is. The distance is 1 − similarity.
 *
 * @param own the most similar of the caption's own pictures
 * @param nearest the most similar of the training set
 */
export function descriptorLabel(
  subject: GeneratedPicture,
  own: SimilarTo | null,
  nearest: SimilarTo | null,
  threshold: number,
): Label {
  const chosen = own !== null && own.similarity > threshold ? own : (nearest ?? own);
  if (chosen === null) return failedLabel(subject, 'descriptor', 'the index holds no picture');
  const verdict = chosen.similarity <= threshold ? 'none' : chosen === own ? 'MV' : 'RV';
  const row = verdict === 'none' && own !== null ? own : chosen;
  return {
    ...labelOf(subject, 'descriptor'),
    verdict,
    distance: 1 - row.similarity,
    threshold: 1 - threshold,
    trainingIndex: row.index,
    trainingImage: subject.own.find(({ index }) => index === row.index)?.image ?? null,
    evidence: {
      ...(own !== null && { own: { index: own.index, distance: 1 - own.similarity } }),
      ...(nearest !== null && { nearest: { index: nearest.index, distance: 1 - nearest.similarity } }),
      similarity: row.similarity,
      level: similarityLevel(row.similarity),
    },
  };
}
