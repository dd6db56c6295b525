import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { checkShadows } from '../../attacks/index.ts';
import { type Dataset, type DatasetRow, openDataset } from '../../datasets/index.ts';
import { VerbatimError } from '../../errors.ts';
import type { Picture } from '../../images/index.ts';
import { column, fileDigest, readTable, sha256 } from '../../tables/index.ts';
import type { MembershipItem, MembershipSource, ShadowModel } from './types.ts';

/** What each model of a lab was trained on: members.parquet, rows only where copies > 0. */
const trainedColumns = {
  model: column('VARCHAR'),
  picture: column('INTEGER'),
  copies: column('INTEGER'),
} as const;

/** A lab folder whose models were trained on parts of one pool: training/, held-out/, members.parquet, models/. */
export interface MembershipLab {
  readonly folder: string;
  /** Over the pool and what each model was trained on. */
  readonly digest: string;
  readonly pool: Pool;
  /** Model → pool index → copies. */
  readonly trained: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Models that are there, by name, sorted. */
  readonly models: readonly string[];
  /** Where a model's folder is. */
  readonly path: (model: string) => string;
}

/** The pictures of several datasets as one row of them: that of a picture is its pool index. */
export interface Pool {
  readonly name: string;
  readonly digest: string;
  readonly size: number;
  rows(): AsyncIterable<DatasetRow>;
  picture(index: number): Promise<Picture>;
  close(): Promise<void>;
}

async function openPool(paths: readonly string[]): Promise<Pool> {
  const parts: { readonly dataset: Dataset; readonly from: number }[] = [];
  let size = 0;
  const close = async () => {
    await Promise.all(parts.map(({ dataset }) => dataset.close()));
  };
  try {
    for (const path of paths) {
      const dataset = await openDataset(path);
      parts.push({ dataset, from: size });
      size += dataset.size;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name: basename(dirname(paths[0]!)),
    digest: sha256(JSON.stringify(parts.map(({ dataset }) => dataset.digest))),
    size,
    async *rows() {
      for (const [i, { dataset, from }] of parts.entries())
        for await (const row of dataset.rows())
          yield { ...row, index: from + row.index, key: `${basename(paths[i]!)}/${row.key}` };
    },
    async picture(index) {
      const { dataset, from } = parts.findLast((part) => part.from <= index)!;
      return dataset.picture(index - from);
    },
    close,
  };
}

/** Names become folders: one part, nothing that leads elsewhere. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** @throws VerbatimError (exit code 2) naming the file and row that is wrong */
export async function openMembershipLab(folder: string): Promise<MembershipLab> {
  const members = join(folder, 'members.parquet');
  const halves = ['training', 'held-out'].map((name) => join(folder, name));
  for (const path of [...halves, members])
    if (!existsSync(path))
      throw new VerbatimError(
        `${folder} is no lab folder of models on one pool: ${path} is missing; "verbatim lab train" makes such folders of a config with kind: ddpm`,
        { exitCode: 2 },
      );
  const rows = await readTable(members, trainedColumns);
  const pool = await openPool(halves);
  try {
    const trained = new Map<string, Map<number, number>>();
    for (const [i, { model, picture, copies }] of rows.entries()) {
      const wrong = (what: string) => new VerbatimError(`${members}: row ${i}: ${what}`, { exitCode: 2 });
      if (!plainName.test(model)) throw wrong(`model ${JSON.stringify(model.slice(0, 60))} is no plain name`);
      if (picture < 0 || picture >= pool.size)
        throw wrong(`picture ${picture} is not in the pool of ${pool.size}`);
      if (copies < 1) throw wrong(`copies is ${copies}; rows are of pictures that a model was trained on`);
      const of = trained.get(model) ?? new Map<number, number>();
      if (of.has(picture)) throw wrong(`model ${model} has picture ${picture} twice`);
      trained.set(model, of.set(picture, copies));
    }
    const path = (model: string) => join(folder, 'models', model);
    const models: string[] = [];
    for (const name of [...trained.keys()].sort()) {
      // A lab may be trained in parts: what is not there yet is neither attacked nor a shadow.
      if ((await stat(path(name)).catch(() => undefined))?.isDirectory() === true) models.push(name);
    }
    const digest = sha256(JSON.stringify([pool.digest, await fileDigest(members)]));
    return { folder, digest, pool, trained, models, path };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

const isShadow = (model: string) => model.startsWith('shadow-');

/**
 * The shadow models of a lab, all but the target: those called shadow-….
 *
 * @throws VerbatimError (exit code 2) for fewer than two, or one that was trained on the whole pool or on none of it
 */
export function shadowsOf(lab: MembershipLab, target?: string): ShadowModel[] {
  const shadows = lab.models
    .filter((name) => isShadow(name) && name !== target)
    .map((name) => ({ name, folder: lab.path(name), trainedOn: lab.trained.get(name)! }));
  checkShadows(
    shadows.map(({ name, trainedOn }) => ({ name, trainedOn: trainedOn.size })),
    lab.pool.size,
  );
  return shadows;
}

/**
 * A lab's model as the target, with its pool as members and non-members and the other shadows around it. Any shadow may be the
 * target: it is then left out of the shadows.
 *
 * @param lossOnly no shadows: for labs without them
 * @throws VerbatimError (exit code 2) for an unknown target, or one that was trained on all of the pool
 */
export async function labSource(
  folder: string,
  target: string,
  { lossOnly = false }: { readonly lossOnly?: boolean } = {},
): Promise<MembershipSource> {
  return ofLab(folder, (lab) => targetSource(lab, target, lossOnly));
}

/**
 * Every shadow model of a lab as the target in turn, with the others as its shadows.
 *
 * @throws VerbatimError (exit code 2) for fewer than three shadows, or one that was trained on all of the pool or on none of it
 */
export async function shadowsSource(folder: string): Promise<MembershipSource> {
  return ofLab(folder, async (lab) => {
    const names = lab.models.filter(isShadow);
    if (names.length < 3)
      throw new VerbatimError(
        `${folder}: to attack every shadow model with the others as its shadows at least 3 are needed, there ${names.length === 1 ? 'is 1' : `are ${names.length}`}; train more`,
        { exitCode: 2 },
      );
    return { ...(await targetSource(lab, names[0]!, false)), inTurn: shadowsOf(lab) };
  });
}

/** A source of an opened lab, which stays open with it; closed again where there is none. */
async function ofLab(
  folder: string,
  source: (lab: MembershipLab) => Promise<MembershipSource>,
): Promise<MembershipSource> {
  const lab = await openMembershipLab(folder);
  try {
    return await source(lab);
  } catch (error) {
    await lab.pool.close();
    throw error;
  }
}

async function targetSource(
  lab: MembershipLab,
  target: string,
  lossOnly: boolean,
): Promise<MembershipSource> {
  const trained = lab.models.includes(target) ? lab.trained.get(target) : undefined;
  if (trained === undefined)
    throw new VerbatimError(
      `${lab.folder} has no model ${JSON.stringify(target)}; it has ${lab.models.join(', ')}`,
      { exitCode: 2 },
    );
  if (trained.size >= lab.pool.size)
    throw new VerbatimError(
      `${target} was trained on all ${lab.pool.size} pictures of the pool, so there are no non-members to hold members against`,
      { exitCode: 2 },
    );
  const items: MembershipItem[] = [];
  for await (const { index, key, caption } of lab.pool.rows()) {
    const copies = trained.get(index) ?? 0;
    const picture = () => lab.pool.picture(index);
    items.push({ source: index, key, caption, member: copies > 0, copies, pool: index, picture });
  }
  return {
    name: lab.pool.name,
    digest: lab.digest,
    heldOut: null,
    target: { name: target, folder: lab.path(target) },
    items,
    shadows: lossOnly ? [] : shadowsOf(lab, target),
    pool: lossOnly ? undefined : poolOf(lab),
    close: () => lab.pool.close(),
  };
}

/** The pool as a source knows it. */
export function poolOf({ pool, digest }: MembershipLab): NonNullable<MembershipSource['pool']> {
  return { size: pool.size, digest, picture: (index) => pool.picture(index) };
}
