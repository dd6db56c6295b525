import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Picture } from '../src/images/index.ts';
import { createRandom } from '../src/math/index.ts';
import { openTiledDistances } from '../src/search/index.ts';
import { compare } from './compare.ts';
import { threads } from './miniature.ts';
import { startPeer } from './peer.ts';

/** The paper's cut. */
const tiles = 4;
/** How far values may be apart: float32 sums of 49,152 squares near each other leave no more. */
const tolerance = 1e-3;

/** Noise over shades, every tenth picture near the one before: distances from nearly none to far. */
function makePictures(count: number, side: number): Picture[] {
  const random = createRandom(1);
  const noise = Uint8Array.from({ length: 1 << 20 }, () => random.integer(64));
  const pictures: Picture[] = [];
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(3 * side * side);
    const like = pictures[i - 1];
    const near = like !== undefined && i % 10 === 0;
    const shade = random.integer(192);
    let from = random.integer(1 << 19);
    for (let at = 0; at < data.length; at++, from = (from + 1) & 0xfffff)
      data[at] = near ? Math.min(255, like.data[at]! + (noise[from]! >> 4)) : shade + noise[from]!;
    pictures.push({ width: side, height: side, data });
  }
  return pictures;
}

/** All pairs of samples, as generate-and-filter compares them, against NumPy and PyTorch over the same pictures in memory. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pictures: { type: 'string', default: '500' },
      side: { type: 'string', default: '512' },
      block: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write('tiled-distance [--pictures 500] [--side 512]\n');
    return;
  }
  const [count, side] = [Number(values.pictures), Number(values.side)];
  const pictures = makePictures(count, side);
  const engine = await openTiledDistances({
    threads,
    ...(values.block !== undefined && { blockPictures: Number(values.block) }),
  });
  let distances: Float64Array = new Float64Array(0);
  const ours = async () => {
    const set = engine.collect(tiles);
    await set.add(pictures);
    distances = set.distances;
  };
  await ours();
  const peak = process.resourceUsage().maxRSS / 1024;
  const folder = await mkdtemp(join(tmpdir(), 'verbatim-bench-'));
  try {
    const path = join(folder, 'pictures');
    const file = await open(path, 'w');
    for (const { data } of pictures) await file.write(data);
    await file.close();
    for (const kind of ['numpy', 'torch'] as const) {
      const request = { pictures: path, peer: kind, count, side, tiles, threads };
      const peer = await startPeer('tiled-distance', request, 'tiled_distance.py');
      const theirs = peer.results as number[];
      const furthest = distances.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0);
      if (!(furthest < tolerance) || theirs.length !== distances.length)
        throw new Error(`${peer.name}: a distance differs by ${furthest}`);
      const result = await compare(ours, peer, { rounds: 5, runs: 1, warmup: 1 });
      process.stdout.write(
        `${peer.name}: no distance of ${distances.length} differs by more than ${furthest.toExponential(1)}; ` +
          `${rate(peer.flops, result.ourSeconds)} against ${rate(peer.flops, result.theirSeconds)} GFLOP/s, pairs counted once; ` +
          `peak resident memory ${peak.toFixed(0)} MiB with the pictures\n`,
      );
      process.stdout.write(
        `tiled-distance: ratio ${result.ratio.toFixed(2)} (ours ${result.ourSeconds.toFixed(2)} s, ${peer.name} ${result.theirSeconds.toFixed(2)} s)\n`,
      );
      peer.close();
    }
  } finally {
    await engine.close();
    await rm(folder, { recursive: true });
  }
}

function rate(flops: number, seconds: number): string {
  return (flops / seconds / 1e9).toFixed(0);
}
