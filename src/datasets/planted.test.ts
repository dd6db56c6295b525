import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TruthRow } from './index.ts';
import {
  plantedConfigSchema,
  plantedSet,
  sceneSource,
  trainingEntries,
  truthTable,
  twinDataset,
} from './index.ts';

const source = sceneSource(1);
const bySum = (rows: readonly TruthRow[]) => rows.reduce((sum, row) => sum + row.repeats, 0);

function groupsOf(rows: readonly TruthRow[]): Map<string, TruthRow[]> {
  const groups = new Map<string, TruthRow[]>();
  for (const row of rows) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
  return groups;
}

describe('plantedSet', () => {
  const set = plantedSet(source, plantedConfigSchema.parse({}));

  it('plants what the defaults promise', () => {
    const duplicates = groupsOf(set.truth.filter((row) => row.kind === 'duplicate'));
    const templates = groupsOf(set.truth.filter((row) => row.kind === 'template'));
    expect(duplicates.size).toBe(144);
    expect(templates.size).toBe(24);
    for (const twin of ['A', 'B'] as const) {
      for (const copies of [5, 10, 20, 50, 100, 300]) {
        const groups = [...duplicates.values()].filter(
          (rows) => rows[0]!.twin === twin && rows[0]!.copies === copies,
        );
        expect(groups).toHaveLength(12);
        expect(groups.filter((rows) => rows.length > 1)).toHaveLength(4);
      }
      expect([...templates.values()].filter((rows) => rows[0]!.twin === twin)).toHaveLength(12);
      const entries = trainingEntries(set, twin).pictureIndices.length;
      const variants = set.truth.filter((row) => row.kind === 'template' && row.twin === twin).length;
      expect(entries).toBe(4000 + 12 * 485 + variants);
    }
    expect(set.truth.filter((row) => row.kind === 'unique')).toHaveLength(4000);
    expect(set.truth.filter((row) => row.kind === 'held-out')).toHaveLength(1200);
  });

  it('is the same everywhere (raise planted-1 in planted.ts when this changes)', () => {
    expect(
      createHash('sha256')
        .update(JSON.stringify(truthTable(set)))
        .digest('hex'),
    ).toBe('6f903880b37096f823a601491b323f6c42b2a982dd54cef367b27f521f7e61d2');
    expect(plantedSet(source, plantedConfigSchema.parse({ seed: 2 })).digest).not.toBe(set.digest);
    expect(plantedSet(sceneSource(2), plantedConfigSchema.parse({})).digest).not.toBe(set.digest);
  });

  it.each(['single', 'template'] as const)('describes further pictures that no twin sees: %s', (kind) => {
    const further = set.beyond(2500, kind);
    expect(further).toHaveLength(2500);
    expect(new Set([...further, ...set.truth].map(({ caption }) => caption)).size).toBe(
      2500 + set.truth.length,
    );
    expect(new Set(further.map(({ key }) => key)).size).toBe(2500);
    expect(set.beyond(300, kind)).toEqual(further.slice(0, 300));
    // The first picture, or family, behind those of the set.
    const planted = set.truth.filter((row) => row.kind !== 'template').map((row) => row.pictureIndex);
    const expected =
      kind === 'single'
        ? (i: number) => source.describe(Math.max(...planted) + 1 + i)
        : (i: number) => source.describeVariant(24 + i, 0);
    expect(further.slice(0, 20).map(({ caption }) => caption)).toEqual(
      Array.from({ length: 20 }, (_, i) => expected(i).caption),
    );
  });

  it('has no more of them than the source has pictures, half of what is left for each kind', () => {
    const config = plantedConfigSchema.parse({
      uniques: 20,
      heldOut: 10,
      copyCounts: [5],
      groupsPerCopyCount: 2,
      familiesPerTwin: 2,
    });
    const small = plantedSet({ ...source, count: 61 }, config);
    expect(small.beyond(1000, 'single')).toHaveLength((60 - 20 - 10 - 4 - 4) / 2);
    expect(small.beyond(1000, 'template')).toHaveLength((60 - 20 - 10 - 4 - 4) / 2);
    expect(plantedSet({ ...source, count: 38 }, config).beyond(5, 'single')).toEqual([]);
  });

  it('draws the pictures that the truth names', async () => {
    const template = set.truth.find((row) => row.key === 'template-001-v003')!;
    expect(await set.picture(template.pictureIndex)).toEqual(await source.pictureVariant(1, 3));
    expect(await set.picture(7)).toEqual(await source.picture(7));
    await expect(set.picture(set.pictureCount)).rejects.toThrow('there is no picture');
  });

  it('has twins as datasets of distinct rows, without what the other twin saw', async () => {
    const twin = twinDataset(set, 'A');
    const keys: string[] = [];
    for await (const row of twin.rows()) keys.push(row.key);
    const seen = set.truth.filter((row) => row.twin === 'A' || row.twin === 'both');
    expect(keys).toEqual(seen.map((row) => row.key));
    expect(twin.size).toBe(seen.length);
    expect(twin.digest).not.toBe(twinDataset(set, 'B').digest);
    await expect(twin.picture(twin.size)).rejects.toThrow('there is no row');
  });

  it('refuses more pictures than the source has', () => {
    expect(() => plantedSet({ ...source, count: 1000 }, plantedConfigSchema.parse({}))).toThrow(
      'needs 5368 different pictures, there are 1000',
    );
  });

  it('holds for any config', () => {
    const configs = fc.record({
      seed: fc.nat(1000),
      uniques: fc.nat(40),
      heldOut: fc.nat(20),
      copyCounts: fc.uniqueArray(fc.integer({ min: 2, max: 60 }), { maxLength: 4 }),
      groupsPerCopyCount: fc.nat(6),
      variedCaptions: fc.double({ min: 0, max: 1, noNaN: true }),
      familiesPerTwin: fc.nat(3),
      variantsMin: fc.integer({ min: 2, max: 6 }),
      variantsMax: fc.integer({ min: 6, max: 12 }),
    });
    fc.assert(
      fc.property(configs, (input) => {
        const config = plantedConfigSchema.parse(input);
        const { truth, pictureCount } = plantedSet(source, config);
        expect(new Set(truth.map((row) => row.key)).size).toBe(truth.length);
        expect(new Set(truth.map((row) => row.caption)).size).toBe(truth.length);
        const pictures = new Set(truth.map((row) => row.pictureIndex));
        expect(pictures.size).toBe(pictureCount);
        expect(Math.max(-1, ...pictures)).toBe(pictureCount - 1);
        for (const rows of groupsOf(truth).values()) {
          expect(bySum(rows)).toBe(rows[0]!.copies);
          expect(new Set(rows.map((row) => row.twin)).size).toBe(1);
          if (rows[0]!.kind === 'duplicate')
            expect(new Set(rows.map((row) => row.pictureIndex)).size).toBe(1);
        }
        for (const copies of config.copyCounts) {
          const groups = [
            ...groupsOf(truth.filter((row) => row.kind === 'duplicate' && row.copies === copies)).values(),
          ];
          expect(groups.filter((rows) => rows[0]!.twin === 'A')).toHaveLength(config.groupsPerCopyCount);
          expect(groups.filter((rows) => rows[0]!.twin === 'B')).toHaveLength(config.groupsPerCopyCount);
        }
        for (const twin of ['A', 'B'] as const) {
          const { pictureIndices, captionIndices, captions } = trainingEntries({ truth } as never, twin);
          const own = truth.filter((row) => row.twin === twin || row.twin === 'both');
          expect(pictureIndices.length).toBe(bySum(own));
          const counted = new Map<string, number>();
          pictureIndices.forEach((picture, entry) => {
            const key = `${picture} ${captions[captionIndices[entry]!]}`;
            counted.set(key, (counted.get(key) ?? 0) + 1);
          });
          for (const row of own) expect(counted.get(`${row.pictureIndex} ${row.caption}`)).toBe(row.repeats);
        }
      }),
      { numRuns: 25, seed: 7 },
    );
  });
});
