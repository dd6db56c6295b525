import { messageOf, VerbatimError } from '../errors.ts';
import type { PictureCollection } from '../labels/index.ts';
import type { AuditConfig } from './config.ts';

type Labels = Pick<AuditConfig, 'labels'>;

/**
 * Refuses the calibrated rule without held-out pictures: said when an audit begins, not when everything
 * before its labels is paid for.
 *
 * @throws VerbatimError (exit code 2)
 */
export function requireHeldOut({ labels }: Labels, heldOut: { readonly size: number } | undefined): void {
  if (!labels.rules.includes('calibrated') || (heldOut?.size ?? 0) > 0) return;
  throw new VerbatimError(
    'labels: the calibrated rule needs pictures that the model never saw, and there are none; name a dataset of them in labels.heldOut, or set labels.rules to [reference]',
    { exitCode: 2 },
  );
}

/**
 * Refuses the calibrated rule without held-out pictures that can be read: tries them in order up to the first
 * that can, so that an audit ends before anything is computed and not when all before its labels is paid for.
 *
 * @throws VerbatimError (exit code 2)
 */
export async function requireReadableHeldOut(
  config: Labels,
  heldOut: PictureCollection | undefined,
  signal?: AbortSignal,
): Promise<void> {
  requireHeldOut(config, heldOut);
  if (heldOut === undefined || !config.labels.rules.includes('calibrated')) return;
  let first: unknown;
  for (let index = 0; index < heldOut.size; index += 1) {
    signal?.throwIfAborted();
    try {
      await heldOut.picture(index);
      return;
    } catch (error) {
      first ??= error;
    }
  }
  throw new VerbatimError(
    `labels.heldOut: none of the ${heldOut.size} pictures can be read (the first: ${messageOf(first)}); name pictures that the model never saw, or set labels.rules to [reference]`,
    { exitCode: 2, cause: first },
  );
}

/** What to say where held-out pictures are too few for the quantile; undefined where they suffice. */
export function heldOutWarning(
  { labels }: Labels,
  heldOut: { readonly size: number } | undefined,
): string | undefined {
  if (heldOut === undefined || !labels.rules.includes('calibrated')) return undefined;
  // The same margin for rounding as where the threshold is taken: 1 / .001 is 1,000 pictures.
  const needed = Math.ceil((1 / labels.quantile) * (1 - 1e-12));
  if (heldOut.size >= needed) return undefined;
  const count = (value: number) => value.toLocaleString('en-US');
  const pictures = heldOut.size === 1 ? 'picture' : 'pictures';
  return `${count(heldOut.size)} held-out ${pictures}; a quantile of ${labels.quantile} needs ${count(needed)}, so the threshold will be their smallest distance`;
}
