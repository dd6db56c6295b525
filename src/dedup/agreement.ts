/** How far the captions of a group's pictures agree: Webster 2023, §5.2 ("multi-modal duplication"). */
export interface CaptionAgreement {
  /** Different captions. */
  readonly captions: number;
  /** Share of the group's pictures that have its most frequent caption, in (0, 1]. */
  readonly share: number;
}

/** @param captions of the group's pictures, normalised (or their digests) */
export function captionAgreement<T>(captions: Iterable<T>): CaptionAgreement {
  const counts = new Map<T, number>();
  let total = 0;
  for (const caption of captions) {
    counts.set(caption, (counts.get(caption) ?? 0) + 1);
    total += 1;
  }
  let most = 0;
  for (const count of counts.values()) most = Math.max(most, count);
  return { captions: counts.size, share: total === 0 ? 1 : most / total };
}

/** The kinds of groups by their captions: the same picture always with one caption is what models memorize most. */
export const modalities = ['image-and-text', 'mixed', 'image-only'] as const;
export type Modality = (typeof modalities)[number];

/** 'image-and-text' when all captions agree, 'image-only' when no two do, else 'mixed'. */
export function modalityOf({ captions, share }: CaptionAgreement, pictures: number): Modality {
  if (captions === 1) return 'image-and-text';
  return Math.round(share * pictures) === 1 ? 'image-only' : 'mixed';
}
