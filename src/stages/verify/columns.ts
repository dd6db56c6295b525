import { column, nullable, type Row } from '../../tables/index.ts';

/** One row per picture that was made again. Folder: tables/verifications. */
export const verificationColumns = {
  /** The finding: of a run its caption's key and sample, of a ground-truth table the number of its row. */
  finding: column('VARCHAR'),
  caption: column('VARCHAR'),
  /** 'MV' | 'RV' | 'TV', as it is recorded. */
  verdict: column('VARCHAR'),
  /** The rule by which it was found; its unit is that of the distances. */
  rule: column('VARCHAR'),
  seed: column('BIGINT'),
  steps: column('INTEGER'),
  sampler: column('VARCHAR'),
  guidance: column('DOUBLE'),
  /** Which generator made the noise. */
  noise: column('VARCHAR'),
  /** SHA-256 of the picture made now, in images/. */
  image: nullable('VARCHAR'),
  /** SHA-256 of the recorded picture. */
  recorded_image: nullable('VARCHAR'),
  /** RMS between the two, values in [0, 1]; null where none is recorded for this number of steps. */
  rms: nullable('DOUBLE'),
  /** To the training picture, as recorded and now. */
  recorded_distance: nullable('DOUBLE'),
  distance: nullable('DOUBLE'),
  threshold: nullable('DOUBLE'),
  /** Whether the distance is within the threshold; null where there is nothing to compare with. */
  verbatim: nullable('BOOLEAN'),
  evaluations: column('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
export type VerificationRow = Row<typeof verificationColumns>;
