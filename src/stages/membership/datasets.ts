import { basename, resolve } from 'node:path';
import type { Dataset } from '../../datasets/index.ts';
import { VerbatimError } from '../../errors.ts';
import { requirePictures } from '../data.ts';
import { type MembershipLab, poolOf, shadowsOf } from './lab.ts';
import type { MembershipItem, MembershipSource } from './types.ts';

/**
 * Two datasets as members and non-members of a model. A lab's shadows go with it where the pictures are of its pool: which they are is
 * found by their pixels.
 *
 * @param captions false: the empty caption for all, which asks for the unconditional loss
 * @throws VerbatimError (exit code 2) for datasets without pictures, and for what `shadowsOf` refuses
 */
export async function datasetSource(options: {
  readonly model: string;
  readonly members: Dataset;
  readonly nonMembers: Dataset;
  readonly captions: boolean;
  readonly lab?: MembershipLab;
}): Promise<MembershipSource> {
  const { model, members, nonMembers, captions, lab } = options;
  requirePictures(members, 'membership inference');
  requirePictures(nonMembers, 'membership inference');
  // Told at once, and also where a limit draws pictures that happen to differ.
  if (members.digest === nonMembers.digest)
    throw new VerbatimError(
      `--members and --non-members are the same pictures (${members.name}); name pictures that the model never saw`,
      { exitCode: 2 },
    );
  const items: MembershipItem[] = [];
  for (const [dataset, member] of [
    [members, true],
    [nonMembers, false],
  ] as const)
    for await (const { index, key, caption } of dataset.rows())
      items.push({
        source: index,
        key,
        caption: captions ? caption : '',
        member,
        copies: member ? null : 0,
        pool: undefined,
        picture: () => dataset.picture(index),
      });
  return {
    name: members.name,
    digest: members.digest,
    heldOut: { digest: nonMembers.digest, size: nonMembers.size },
    target: { name: basename(resolve(model), '.safetensors'), folder: model },
    items,
    shadows: lab === undefined ? [] : shadowsOf(lab),
    pool: lab && poolOf(lab),
    close: async () => {
      await Promise.all([members.close(), nonMembers.close(), lab?.pool.close()]);
    },
  };
}
