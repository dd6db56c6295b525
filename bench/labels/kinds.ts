import { crop, decodePicture, encodeJpeg, type Picture, resize } from '../../src/images/index.ts';
import type { Random } from '../../src/math/index.ts';

/** How a photograph is changed before it is compared with itself. */
export const kinds = [
  'exact',
  'jpeg',
  'shift',
  'crop',
  'scale',
  'flip',
  'recoloured',
  'pasted',
  'colour',
] as const;
export type Kind = (typeof kinds)[number];

/** What each kind does, for tables. */
export const about: Readonly<Record<Kind, string>> = {
  exact: 'the picture itself',
  jpeg: 'JPEG, quality 30',
  shift: 'moved by up to an eighth of its side (4 of 32 pixels), edges repeated',
  crop: 'a square of 80% of its side, anywhere, brought back to its size',
  scale: 'enlarged by 10% or shrunk by 10% about its middle, edges repeated',
  flip: 'mirrored left to right',
  recoloured: 'channels exchanged and moved in a rectangle of 20 to 40%',
  pasted: 'a rectangle of 20 to 50% of it, pasted anywhere into another photograph',
  colour: 'gain .85 to 1.15 and offset −.1 to .1 for each channel',
};

const integer = (random: Random, below: number) => Math.floor(random.uniform() * below);

/** A picture of a size whose pixels come from where `from` says, the nearest edge where that is outside. */
function remap(
  { width, height, data }: Picture,
  size: { readonly width: number; readonly height: number },
  from: (x: number, y: number) => readonly [number, number],
): Picture {
  const out = new Uint8Array(size.width * size.height * 3);
  for (let y = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++) {
      const [u, v] = from(x, y);
      const at = (Math.min(height - 1, Math.max(0, v)) * width + Math.min(width - 1, Math.max(0, u))) * 3;
      out.set(data.subarray(at, at + 3), (y * size.width + x) * 3);
    }
  return { width: size.width, height: size.height, data: out };
}

/** A rectangle of the given share of a picture, of a side ratio between .64 and 1.56. */
function rectangle({ width, height }: Picture, share: number, random: Random) {
  const w = Math.min(
    width,
    Math.max(1, Math.round(width * Math.sqrt(share) * (0.8 + 0.4 * random.uniform()))),
  );
  const h = Math.min(height, Math.max(1, Math.round((width * height * share) / w)));
  return { w, h, x: integer(random, width - w + 1), y: integer(random, height - h + 1) };
}

/**
 * A changed copy of `picture`.
 *
 * @param other the photograph that a part is pasted into
 */
export async function changed(
  kind: Kind,
  picture: Picture,
  other: Picture,
  random: Random,
): Promise<Picture> {
  const { width, height } = picture;
  switch (kind) {
    case 'exact':
      return picture;
    case 'jpeg':
      return decodePicture(await encodeJpeg(picture, 30), { where: 'JPEG of a photograph' });
    case 'shift': {
      const reach = Math.round(width / 8);
      let move = [0, 0];
      while (move[0] === 0 && move[1] === 0)
        move = [integer(random, 2 * reach + 1) - reach, integer(random, 2 * reach + 1) - reach];
      return remap(picture, picture, (x, y) => [x - move[0]!, y - move[1]!]);
    }
    case 'crop': {
      const w = Math.round(0.8 * width);
      const h = Math.round(0.8 * height);
      const part = crop(picture, integer(random, width - w + 1), integer(random, height - h + 1), w, h);
      return resize(part, width, height, 'bicubic');
    }
    case 'scale': {
      if (random.uniform() < 0.5) {
        const w = Math.round(width / 1.1);
        const h = Math.round(height / 1.1);
        return resize(crop(picture, (width - w) >> 1, (height - h) >> 1, w, h), width, height, 'bicubic');
      }
      const small = resize(picture, Math.round(0.9 * width), Math.round(0.9 * height), 'bicubic');
      const [left, top] = [(width - small.width) >> 1, (height - small.height) >> 1];
      return remap(small, picture, (x, y) => [x - left, y - top]);
    }
    case 'flip':
      return remap(picture, picture, (x, y) => [width - 1 - x, y]);
    case 'recoloured': {
      const { w, h, x, y } = rectangle(picture, 0.2 + 0.2 * random.uniform(), random);
      const order = random.uniform() < 0.5 ? [1, 2, 0] : [2, 0, 1];
      const move = order.map(() => (random.uniform() - 0.5) * 120);
      const data = Uint8Array.from(picture.data);
      for (let v = y; v < y + h; v++)
        for (let u = x; u < x + w; u++)
          for (let c = 0; c < 3; c++) {
            const value = picture.data[(v * width + u) * 3 + order[c]!]! + move[c]!;
            data[(v * width + u) * 3 + c] = Math.min(255, Math.max(0, value));
          }
      return { width, height, data };
    }
    case 'pasted': {
      const { w, h, x, y } = rectangle(picture, 0.2 + 0.3 * random.uniform(), random);
      const [toX, toY] = [integer(random, width - w + 1), integer(random, height - h + 1)];
      const data = Uint8Array.from(other.data);
      for (let v = 0; v < h; v++)
        data.set(
          picture.data.subarray(((y + v) * width + x) * 3, ((y + v) * width + x + w) * 3),
          ((toY + v) * width + toX) * 3,
        );
      return { width, height, data };
    }
    case 'colour': {
      const gain = [0, 1, 2].map(() => 0.85 + 0.3 * random.uniform());
      const offset = [0, 1, 2].map(() => (random.uniform() - 0.5) * 51);
      const data = picture.data.map((value, i) =>
        Math.min(255, Math.max(0, Math.round(value * gain[i % 3]! + offset[i % 3]!))),
      );
      return { width, height, data };
    }
  }
}
