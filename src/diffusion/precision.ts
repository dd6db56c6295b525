import { createHash } from 'node:crypto';
import type { Precision } from '../graph/index.ts';

/** The digest of a model that computes in some precision: in half precision the same weights are another model. */
export function precisionDigest(digest: string, precision: Precision = 'float32'): string {
  return precision === 'float32'
    ? digest
    : createHash('sha256').update(`${digest} ${precision}`).digest('hex');
}
