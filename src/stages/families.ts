import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodePicture, encodePng, type Mask, maskPicture, pictureMask } from '../images/index.ts';
import { type CopyCalibration, findFamilies, maskRegion, type TemplateFamily } from '../labels/index.ts';
import { scoreAt } from '../math/index.ts';
import { contentPath, putFile, readTable } from '../tables/index.ts';
import { type CandidateRow, type FamilyRow, familyColumns } from './columns.ts';
import type { Compared } from './compared.ts';
import { readCopies } from './copies.ts';
import type { ModelInput } from './flow.ts';
import { type RunFolder, runTable } from './run-folder.ts';
import { runStage } from './stage.ts';

/** A family under the name that tables use. */
export interface NamedFamily extends TemplateFamily {
  readonly name: string;
}

/** What one in so many unrelated pictures has explained is worth a look at its family. */
const looked = 0.1;

/**
 * The template families that the samples may repeat: those of the training pictures that explain them best, and of the
 * captions' own. tables/families, one shard.
 */
export async function runFamilies(
  input: ModelInput,
  candidates: ReadonlyMap<string, CandidateRow>,
  compared: Compared,
  { whole }: CopyCalibration,
): Promise<NamedFamily[]> {
  const { config, data, folder, signal, onProgress } = input;
  await runStage({
    folder,
    name: 'families',
    columns: familyColumns,
    shards: [undefined],
    items: () => 100,
    signal,
    onProgress,
    process: async (_, { advance }) => {
      const seeds = new Set<number>();
      for (const { whole: best } of (await readCopies(input)).values())
        if (best !== null && best.index !== null && best.explained >= scoreAt(whole, looked))
          seeds.add(best.index);
      for (const candidate of candidates.values())
        for (const { index } of data.own(candidate)) if (index !== null) seeds.add(index);
      let told = 0;
      const families = await findFamilies([...seeds], compared.copies, {
        ...(config.threads !== undefined && { threads: config.threads }),
        ...(signal && { signal }),
        onProgress: (share) => {
          advance(Math.floor(share * 100) - told);
          told = Math.floor(share * 100);
        },
      });
      return Promise.all(families.map((family) => familyRow(folder, family)));
    },
  });
  return readFamilies(folder);
}

async function familyRow(folder: RunFolder, family: TemplateFamily): Promise<FamilyRow> {
  const varies = { ...family.mask, data: family.mask.data.map((set) => 1 - set) };
  return {
    family: `family-${String(family.seed).padStart(7, '0')}`,
    seed_index: family.seed,
    members: JSON.stringify(family.members),
    variants: family.members.length,
    mask: await storeMask(folder, family.mask),
    varying: family.varying,
    box: JSON.stringify(maskRegion(varies)?.box ?? null),
  };
}

/** The families of a run, with their masks. @throws VerbatimError when a mask cannot be read */
export async function readFamilies(folder: RunFolder): Promise<NamedFamily[]> {
  const rows = await readTable(await runTable(folder, 'families'), familyColumns);
  return Promise.all(
    rows.map(async (row) => ({
      name: row.family,
      seed: row.seed_index,
      members: JSON.parse(row.members) as number[],
      mask: await readMask(folder, row.mask),
      varying: row.varying,
    })),
  );
}

/** A mask as a PNG in images/: white where it is set. */
export async function storeMask(folder: RunFolder, mask: Mask): Promise<string> {
  return putFile(folder.images, await encodePng(maskPicture(mask)), 'png');
}

async function readMask(folder: RunFolder, digest: string): Promise<Mask> {
  const name = contentPath(digest, 'png');
  return pictureMask(
    await decodePicture(await readFile(join(folder.images, name)), { where: `images/${name}` }),
  );
}
