import type { KeepRule, Level, Modality } from '../../dedup/index.ts';
import type { DedupDescription, ResolvedDedupConfig } from '../../stages/index.ts';
import { percentage } from '../format.ts';

/** What makes two items alike at a level, with the threshold of this run. */
export function levelWords(level: Level, config: ResolvedDedupConfig, { model }: DedupDescription): string {
  switch (level) {
    case 'file':
      return 'the same bytes';
    case 'perceptual':
      return `perceptual hashes that differ in at most ${config.radius} of 64 bits`;
    case 'descriptor':
      return `cosine of at least ${config.threshold} between ${model.digest === 'embeddings' ? 'the dataset’s own vectors' : `vectors of ${model.name}`}`;
    case 'tiles':
      return `one lies within the other: the pixels there correlate by at least ${config.tileThreshold}. Joins a group where it covers half or more`;
    case 'caption':
      return config.captionThreshold === 1
        ? 'the same caption but for case and spaces'
        : `captions that share at least ${percentage(config.captionThreshold)} of their words`;
  }
}

export const keepWords: Readonly<Record<KeepRule, string>> = {
  first: 'the first of each group',
  largest: 'of each group the picture with most pixels, then the largest file',
  centroid: 'of each group the item nearest to its mean',
  semdedup: 'items that are like none kept before, the least typical first (SemDeDup)',
};

export const modalityWords: Readonly<Record<Modality, string>> = {
  'image-and-text': 'all items have one caption',
  mixed: 'some items share a caption',
  'image-only': 'no two items have the same caption',
};

/** The worst pair of a group in words; null where no level measures pairs. */
export function worstPair(mostBits: number | null, leastCosine: number | null): string | null {
  const bits = mostBits === null ? [] : [mostBits === 0 ? 'equal hashes' : `${mostBits} of 64 bits`];
  const cosine = leastCosine === null ? [] : [`cosine ${cosineText(leastCosine)}`];
  return bits.length + cosine.length === 0 ? null : [...bits, ...cosine].join(', ');
}

/** Three digits, cut and not rounded up: only what is 1 reads as 1. */
export function cosineText(cosine: number): string {
  return (Math.floor(cosine * 1000 + 1e-6) / 1000).toFixed(3).replace('-', '−');
}
