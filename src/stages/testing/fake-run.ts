/**
 * A run that needs no model, as a process of its own, so that tests can kill it:
 *   node --import tsx fake-run.ts FOLDER ITEMS SHARD_SIZE DELAY_MS
 * Its two stages do everything that real ones do: shards, images, failed items, a meter, the log.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { column, nullable, putFile, readTable } from '../../tables/index.ts';
import { cutShards, errorText, openRun, runStage, runTable } from '../index.ts';

const [path, items, shardSize, delayMs] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: fake-run.ts FOLDER ITEMS SHARD_SIZE DELAY_MS');

const { folder, release } = await openRun(path, {
  command: 'fake',
  verbatim: '0.0.0',
  versions: {},
  model: { name: 'fake', digest: 'm' },
  dataset: { name: 'fake', digest: 'd', size: Number(items) },
  heldOut: null,
  config: { items: Number(items), shardSize: Number(shardSize) },
});

const drawnColumns = {
  key: column('VARCHAR'),
  image: nullable('VARCHAR'),
  evaluations: column('INTEGER'),
  error: nullable('VARCHAR'),
} as const;
const meter = { evaluations: 0 };
const keys = Array.from({ length: Number(items) }, (_, i) => `item-${i}`);
await runStage({
  folder,
  name: 'generations',
  columns: drawnColumns,
  shards: cutShards(keys, Number(shardSize)),
  items: (shard) => shard.length,
  meter,
  process: async (shard) => {
    const rows = [];
    for (const key of shard) {
      await sleep(Number(delayMs));
      meter.evaluations += 2;
      try {
        if (key.endsWith('3')) throw new Error(`no picture\nfor ${key}`);
        const image = await putFile(folder.images, Buffer.from(key.repeat(1000)), 'png');
        rows.push({ key, image, evaluations: 2, error: null });
      } catch (error) {
        rows.push({ key, image: null, evaluations: 2, error: errorText(error) });
      }
    }
    return rows;
  },
});

await runStage({
  folder,
  name: 'labels/long',
  columns: { key: column('VARCHAR'), length: column('INTEGER') },
  shards: await runTable(folder, 'generations'),
  items: () => 1,
  process: async (file) => {
    const rows = await readTable(file, drawnColumns);
    await sleep(Number(delayMs));
    return rows.map(({ key, image }) => ({ key, length: image?.length ?? 0 }));
  },
});
await release();
