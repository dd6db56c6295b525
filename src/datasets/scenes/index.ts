import type { Picture } from '../../images/index.ts';
import { sha256 } from '../../tables/index.ts';
import { pick, randomFor } from '../random.ts';
import type { PictureSource } from '../source.ts';
import { book } from './book.ts';
import { type Canvas, createCanvas, pictureSide, toPicture } from './canvas.ts';
import { chart } from './chart.ts';
import { type Family, sceneFamily } from './families.ts';
import { flag } from './flag.ts';
import { landscape } from './landscape.ts';
import { logo } from './logo.ts';
import { map } from './map.ts';
import { portrait } from './portrait.ts';
import { poster } from './poster.ts';
import { room } from './room.ts';
import type { Scene } from './scene.ts';
import { textile } from './textile.ts';
import { vehicle } from './vehicle.ts';

/** Every kind of picture, in a fixed order: new kinds go to the end, or all pictures change. */
export const scenes: readonly Scene[] = [
  room,
  poster,
  landscape,
  flag,
  textile,
  logo,
  portrait,
  chart,
  vehicle,
  book,
  map,
];

/** Raised whenever a picture or a caption changes for some seed: the digest of every set depends on it. */
const version = 'scenes-2';

/** The procedural picture set of a seed: 64 × 64, eleven kinds, as many as one likes. */
export function sceneSource(seed: number): PictureSource {
  const composition = (index: number) => {
    const random = randomFor('scene', seed, index);
    const scene = pick(random, scenes);
    return { scene, ...scene.compose(random) };
  };
  const finish = (paint: (canvas: Canvas) => void): Picture => {
    const canvas = createCanvas();
    paint(canvas);
    return toPicture(canvas);
  };
  const families = new Map<number, Family>();
  const family = (index: number): Family => {
    const known = families.get(index) ?? sceneFamily(seed, index);
    families.set(index, known);
    return known;
  };
  const recaption = (index: number, variant: number) =>
    composition(index).caption(randomFor('scene caption', seed, index, variant));
  return {
    name: 'scenes',
    digest: sha256(JSON.stringify([version, seed])),
    size: pictureSide,
    count: Number.POSITIVE_INFINITY,
    recaption,
    describe: (index) => ({ caption: recaption(index, 0), scene: composition(index).scene.name }),
    picture: async (index) =>
      finish((canvas) => composition(index).draw(randomFor('scene strokes', seed, index), canvas)),
    describeVariant: (index, variant) => {
      const { scene, region, caption } = family(index);
      return { caption: caption(variant), scene, region };
    },
    pictureVariant: async (index, variant) => finish((canvas) => family(index).draw(variant, canvas)),
  };
}
