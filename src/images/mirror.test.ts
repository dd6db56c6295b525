import { expect, it } from 'vitest';
import { mirror } from './mirror.ts';

it('a mirrored picture has left and right exchanged, its colours as they were', () => {
  const data = Uint8Array.from({ length: 3 * 3 * 2 }, (_, i) => i);
  const picture = { width: 3, height: 2, data };
  expect([...mirror(picture).data]).toEqual([6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11]);
  expect(mirror(mirror(picture))).toEqual(picture);
});
