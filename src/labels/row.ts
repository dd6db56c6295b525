import type { GeneratedPicture, Label, Rule } from './types.ts';

/** What every label of a picture begins with: nothing moved, nothing masked. */
export function labelOf(subject: GeneratedPicture, rule: Rule) {
  const { key, sample, image } = subject;
  return { key, sample, image, rule, transform: null, region: null, mask: null, family: null, error: null };
}

/** A label that says why there is no verdict. */
export function failedLabel(subject: GeneratedPicture, rule: Rule, error: string): Label {
  return {
    ...labelOf(subject, rule),
    verdict: null,
    distance: null,
    threshold: null,
    trainingIndex: null,
    trainingImage: null,
    evidence: null,
    error,
  };
}
