import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePng, type Picture } from '../../../images/index.ts';
import { createRandom } from '../../../math/index.ts';
import { fixtures } from '../../../models/testing/goldens.ts';
import { column, sql, textLiteral, writeTable } from '../../../tables/index.ts';

/** Pictures as a Parquet file in the layout of Hugging Face datasets: image struct{bytes, path}, label. */
export async function writePictures(path: string, pictures: readonly Picture[]): Promise<void> {
  const rows = await Promise.all(
    pictures.map(async (picture, i) => {
      const hex = Buffer.from(await encodePng(picture)).toString('hex');
      return `({'bytes': from_hex('${hex}'), 'path': '${i}.png'}, ${i % 10})`;
    }),
  );
  await sql(
    `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) t(image, label)) TO ${textLiteral(path)} (FORMAT parquet)`,
  );
}

/** A lab folder; of its models only the folders, unless `weights`: then small UNets for 8×8 pixels, each with weights of its own. */
export async function writeLab(
  folder: string,
  pictures: readonly Picture[],
  models: Readonly<Record<string, ReadonlyMap<number, number>>>,
  { weights = false }: { readonly weights?: boolean } = {},
): Promise<void> {
  await mkdir(join(folder, 'models'), { recursive: true });
  const half = Math.ceil(pictures.length / 2);
  for (const [name, part] of [
    ['training', pictures.slice(0, half)],
    ['held-out', pictures.slice(half)],
  ] as const) {
    await mkdir(join(folder, name), { recursive: true });
    await writePictures(join(folder, name, 'pictures.parquet'), part);
  }
  await writeMembers(folder, models);
  for (const [i, name] of Object.keys(models).entries())
    if (weights) await writeModel(join(folder, 'models', name), i);
    else await mkdir(join(folder, 'models', name), { recursive: true });
}

export async function writeMembers(
  folder: string,
  models: Readonly<Record<string, ReadonlyMap<number, number>>>,
): Promise<void> {
  const rows = Object.entries(models).flatMap(([model, pictures]) =>
    [...pictures].map(([picture, copies]) => ({ model, picture, copies })),
  );
  const columns = {
    model: column('VARCHAR'),
    picture: column('INTEGER'),
    copies: column('INTEGER'),
  } as const;
  await writeTable(join(folder, 'members.parquet'), columns, rows);
}

/** The fixture's UNet (DDPM, 8×8, random weights in half precision) with other last bits. */
export async function writeModel(folder: string, seed: number): Promise<void> {
  await cp(`${fixtures}ddpm`, folder, { recursive: true });
  const file = join(folder, 'unet', 'diffusion_pytorch_model.safetensors');
  const bytes = await readFile(file);
  const header = 8 + Number(bytes.readBigUInt64LE(0));
  const random = createRandom(seed);
  // The upper bits of the fraction: a few per cent of each weight.
  for (let at = header; at + 1 < bytes.length; at += 2) bytes[at] = bytes[at]! ^ (random.integer(4) << 4);
  await writeFile(file, bytes);
}

/** Who is in what: pictures of the pool in each model by a coin, the first `twice` pictures of a model with several copies. */
export function drawMembers(
  names: readonly string[],
  pool: number,
  seed = 1,
): Record<string, ReadonlyMap<number, number>> {
  const random = createRandom(seed);
  return Object.fromEntries(
    names.map((name) => {
      const inside = random.shuffle(Array.from({ length: pool }, (_, i) => i)).slice(0, pool / 2);
      return [name, new Map(inside.sort((a, b) => a - b).map((i) => [i, i % 8 === 0 ? 4 : 1] as const))];
    }),
  );
}
