import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom, dot, hashSeed, toFloat16 } from '../src/math/index.ts';
import { npyHeader } from '../src/tables/index.ts';

/**
 * Vectors as descriptors give them, and near copies among them that are known. A row is a direction that all share, one of its
 * topic, and one of its own: rows of two topics have a cosine of some .15, rows of one topic of .3 to .6. Directions have most of
 * their length in the first coordinates, as embeddings have in their principal ones: as if there were some 140 coordinates.
 * Groups of 2 to 50 rows lie around a row of their own, so that pairs of a group reach from .86 to 1.
 */
export interface PlantedVectors {
  readonly paths: readonly string[];
  readonly count: number;
  readonly dimension: number;
  /** Positions of each group's rows, in their order. */
  readonly groups: readonly Uint32Array[];
}

const topics = 3000;
const shared = 0.15;
const groupedShare = 0.2;
const rowsPerPart = 100_000;

export async function writePlanted(
  folder: string,
  count: number,
  dimension: number,
): Promise<PlantedVectors> {
  const groupOf = plantGroups(count);
  const draw = drawer(dimension);
  const paths: string[] = [];
  for (let first = 0; first < count; first += rowsPerPart) {
    const size = Math.min(count, first + rowsPerPart) - first;
    const path = join(folder, `${String(paths.length).padStart(5, '0')}.npy`);
    paths.push(path);
    const file = await open(path, 'w');
    await file.write(npyHeader('float16', [size, dimension]));
    for (let from = first; from < first + size; from += 4096) {
      const part = new Float32Array((Math.min(first + size, from + 4096) - from) * dimension);
      for (let i = 0; i < part.length / dimension; i++)
        draw(from + i, groupOf.ids[from + i]!, part.subarray(i * dimension, (i + 1) * dimension));
      const bits = toFloat16(part);
      await file.write(new Uint8Array(bits.buffer));
    }
    await file.close();
  }
  const groups = groupOf.sizes.map((size) => new Uint32Array(size));
  const filled = new Uint32Array(groups.length);
  groupOf.ids.forEach((group, row) => {
    if (group > 0) groups[group - 1]![filled[group - 1]!++] = row;
  });
  return { paths, count, dimension, groups };
}

/** The group of every row, from 1 on; 0 for rows of none. Sizes are geometric, from 2 to 50. */
function plantGroups(count: number): { ids: Uint32Array; sizes: number[] } {
  const random = createRandom(hashSeed('groups', count));
  const ids = new Uint32Array(count);
  const sizes: number[] = [];
  for (let at = 0; ; ) {
    // Three of four groups are larger than each size: a mean of 5.
    let size = 2;
    while (size < 50 && random.uniform() < 0.75) size++;
    if (at + size > groupedShare * count) break;
    sizes.push(size);
    ids.fill(sizes.length, at, at + size);
    at += size;
  }
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [ids[i], ids[j]] = [ids[j]!, ids[i]!];
  }
  return { ids, sizes };
}

/** Draws a row by its number and group, from seeds alone. */
function drawer(dimension: number): (row: number, group: number, into: Float32Array) => void {
  const random = createRandom(7);
  // A normal draw costs more than all the rest: values come from a table of them.
  const table = Float32Array.from({ length: 1 << 16 }, () => random.normal());
  const scales = Float64Array.from({ length: dimension }, (_, i) => 1 / Math.sqrt(i + 8));
  const direction = (kind: number, id: number, into: Float64Array): Float64Array => {
    let state = (Math.imul(id + 1, 0x9e3779b1) ^ Math.imul(kind + 1, 0x85ebca6b)) >>> 0 || 1;
    let squares = 0;
    for (let i = 0; i < dimension; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const value = table[(state >>> 8) & 0xffff]! * scales[i]!;
      into[i] = value;
      squares += value * value;
    }
    const scale = 1 / Math.sqrt(squares);
    for (let i = 0; i < dimension; i++) into[i]! *= scale;
    return into;
  };
  const common = direction(0, 0, new Float64Array(dimension));
  const centres = Array.from({ length: topics }, (_, i) => direction(1, i, new Float64Array(dimension)));
  const own = new Float64Array(dimension);
  const change = new Float64Array(dimension);
  return (row, group, into) => {
    // Rows of a group have the group's direction, topic and closeness.
    const [kind, id] = group > 0 ? [2, group] : [3, row];
    const seeds = createRandom(hashSeed(kind, id));
    // Some topics have many more rows than others.
    const topic = Math.floor(topics * seeds.uniform() ** 2);
    const within = 0.3 + (0.3 * ((topic * 7919) % topics)) / topics;
    const [a, b, c] = [shared, within - shared, 1 - within].map(Math.sqrt) as [number, number, number];
    const centre = centres[topic]!;
    direction(kind, id, own);
    for (let i = 0; i < dimension; i++) own[i] = a * common[i]! + b * centre[i]! + c * own[i]!;
    const closeness = group > 0 ? 0.86 + 0.14 * seeds.uniform() : 1;
    const [keep, other] = [Math.sqrt(closeness), Math.sqrt(1 - closeness)];
    if (group > 0) direction(4, row, change);
    let squares = 0;
    for (let i = 0; i < dimension; i++) {
      const value = keep * own[i]! + (group > 0 ? other * change[i]! : 0);
      into[i] = value;
      squares += value * value;
    }
    const scale = 1 / Math.sqrt(squares);
    for (let i = 0; i < dimension; i++) into[i]! *= scale;
  };
}

/** All pairs of planted groups that reach the threshold, as `lower · count + higher`, from the rows as they are stored. */
export async function plantedPairs(
  { groups, count, dimension }: PlantedVectors,
  rows: { rows(positions: readonly number[]): Promise<Float32Array> },
  threshold: number,
): Promise<Set<number>> {
  const pairs = new Set<number>();
  for (const group of groups) {
    const values = await rows.rows([...group]);
    const row = (i: number) => values.subarray(i * dimension, (i + 1) * dimension);
    for (let i = 0; i < group.length; i++)
      for (let j = i + 1; j < group.length; j++)
        if (dot(row(i), row(j)) >= threshold) pairs.add(group[i]! * count + group[j]!);
  }
  return pairs;
}
