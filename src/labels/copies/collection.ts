import type { Picture } from '../../images/index.ts';
import type { PictureCollection } from '../types.ts';
import { describePatch, patchDimension, patchesOf } from './patches.ts';
import { type WorkingPicture, workingPicture, workingSide } from './working.ts';

/** The patches of some training pictures, in rows. */
export interface PatchBlock {
  readonly count: number;
  /** [count, patchDimension]. */
  readonly rows: Float32Array;
  /** Position of the picture that a row belongs to. */
  readonly owner: Int32Array;
  /** The patch's centre, working pixels. */
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** A training set as copies are looked for in it. */
export interface CopyCollection {
  readonly size: number;
  /** How many blocks of patches there are. */
  readonly blocks: number;
  block(at: number): Promise<PatchBlock>;
  /** A picture at the working size; undefined when it cannot be read. */
  working(index: number): Promise<WorkingPicture | undefined>;
  /** The picture as it was given. Throws when it cannot be read. */
  picture(index: number): Promise<Picture>;
}

const picturesPerBlock = 1024;

/**
 * Prepares a training set. Small pictures and patches are kept in memory up to `bytes` (each), the rest is read and
 * made again whenever it is needed.
 */
export function copyCollection(pictures: PictureCollection, bytes = 256 * 2 ** 20): CopyCollection {
  const small = new Map<number, Uint8Array | null>();
  const kept = new Map<number, PatchBlock>();
  let blockBytes = 0;
  const working = async (index: number): Promise<WorkingPicture | undefined> => {
    const known = small.get(index);
    if (known === null) return undefined;
    if (known !== undefined)
      return {
        width: workingSide,
        height: workingSide,
        data: Float32Array.from(known, (v) => v / 255),
      };
    let made: WorkingPicture | undefined;
    try {
      made = workingPicture(await pictures.picture(index));
    } catch {
      // It is counted where the training set is compared as a whole (`nearestPictures`).
    }
    if ((small.size + 1) * workingSide ** 2 * 3 <= bytes)
      small.set(index, made === undefined ? null : Uint8Array.from(made.data, (v) => Math.round(v * 255)));
    return made;
  };
  return {
    size: pictures.size,
    blocks: Math.ceil(pictures.size / picturesPerBlock),
    working,
    picture: (index) => pictures.picture(index),
    async block(at) {
      const known = kept.get(at);
      if (known !== undefined) return known;
      const rows: Float32Array[] = [];
      const owner: number[] = [];
      const x: number[] = [];
      const y: number[] = [];
      for (
        let index = at * picturesPerBlock;
        index < Math.min(pictures.size, (at + 1) * picturesPerBlock);
        index++
      ) {
        const picture = await working(index);
        if (picture === undefined) continue;
        const patches = patchesOf(picture);
        const part = new Float32Array(patches.count * patchDimension);
        for (let patch = 0; patch < patches.count; patch++) {
          describePatch(patches, patch, 1, false, part, patch * patchDimension);
          owner.push(index);
          x.push(patches.x[patch]!);
          y.push(patches.y[patch]!);
        }
        rows.push(part);
      }
      const all = new Float32Array(owner.length * patchDimension);
      let offset = 0;
      for (const part of rows) {
        all.set(part, offset);
        offset += part.length;
      }
      const block = {
        count: owner.length,
        rows: all,
        owner: Int32Array.from(owner),
        x: Float32Array.from(x),
        y: Float32Array.from(y),
      };
      if (blockBytes + all.byteLength <= bytes) {
        blockBytes += all.byteLength;
        kept.set(at, block);
      }
      return block;
    },
  };
}
