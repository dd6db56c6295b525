import { elementCount, floatTensor, type Tensor } from './tensor.ts';

/** Elements of one sample of a batch, that is of everything but the first axis. */
export function sampleLength(tensor: Tensor<'float32'>): number {
  return elementCount(tensor.shape.slice(1));
}

/** Samples [from, to) of a batch; shares the memory of its source. */
export function sliceBatch(tensor: Tensor<'float32'>, from: number, to: number): Tensor<'float32'> {
  const length = sampleLength(tensor);
  return floatTensor([to - from, ...tensor.shape.slice(1)], tensor.data.subarray(from * length, to * length));
}

/** Samples [from, to) of a batch, or as many copies of the one sample that serves every row. */
export function rowsOfBatch(tensor: Tensor<'float32'>, from: number, to: number): Tensor<'float32'> {
  return tensor.shape[0] === 1 ? expandBatch(tensor, to - from) : sliceBatch(tensor, from, to);
}

/** The samples of a batch at `indices`, copied, in that order; an index may occur more than once. */
export function gatherBatch(tensor: Tensor<'float32'>, indices: readonly number[]): Tensor<'float32'> {
  const length = sampleLength(tensor);
  const data = new Float32Array(indices.length * length);
  indices.forEach((from, to) => {
    data.set(tensor.data.subarray(from * length, (from + 1) * length), to * length);
  });
  return floatTensor([indices.length, ...tensor.shape.slice(1)], data);
}

/** Batches one after the other; all samples must have the same shape. */
export function concatBatch(parts: readonly Tensor<'float32'>[]): Tensor<'float32'> {
  const shape = parts[0]!.shape.slice(1);
  for (const part of parts)
    if (part.shape.slice(1).join() !== shape.join())
      throw new RangeError(`cannot join samples of shapes [${shape}] and [${part.shape.slice(1)}]`);
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let offset = 0;
  for (const part of parts) {
    data.set(part.data, offset);
    offset += part.data.length;
  }
  return floatTensor([parts.reduce((sum, part) => sum + part.shape[0]!, 0), ...shape], data);
}

/** A batch of `count` equal samples from a batch of one; a batch of `count` passes as it is. */
export function expandBatch(tensor: Tensor<'float32'>, count: number): Tensor<'float32'> {
  const batch = tensor.shape[0]!;
  if (batch === count) return tensor;
  if (batch !== 1) throw new RangeError(`a batch of ${batch} cannot serve ${count} samples`);
  return gatherBatch(tensor, new Array<number>(count).fill(0));
}

/** Finds equal items: the distinct ones in order of their first occurrence, and for each item its place there. */
export function groupEqual<T>(items: readonly T[]): { distinct: T[]; group: number[] } {
  const places = new Map<T, number>();
  const group = items.map((item) => {
    const place = places.get(item) ?? places.size;
    places.set(item, place);
    return place;
  });
  return { distinct: [...places.keys()], group };
}

/**
 * Finds samples that are equal bit by bit. `distinct` holds the index of each first occurrence,
 * `group[i]` the position in `distinct` of sample i's value.
 */
export function groupEqualSamples(tensor: Tensor<'float32'>): { distinct: number[]; group: number[] } {
  const length = sampleLength(tensor);
  const words = new Uint32Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.length);
  const buckets = new Map<string, number[]>();
  const distinct: number[] = [];
  const group: number[] = [];
  for (let i = 0; i < tensor.shape[0]!; i++) {
    // A few words tell almost all samples apart; the full comparison decides.
    const key = words.subarray(i * length, i * length + Math.min(4, length)).join();
    const bucket = buckets.get(key) ?? [];
    buckets.set(key, bucket);
    const found = bucket.find((position) => {
      const start = distinct[position]! * length;
      for (let j = 0; j < length; j++) if (words[start + j] !== words[i * length + j]) return false;
      return true;
    });
    if (found === undefined) {
      bucket.push(distinct.length);
      group.push(distinct.length);
      distinct.push(i);
    } else group.push(found);
  }
  return { distinct, group };
}
