import { type Picture, resize } from '../images/index.ts';

/**
 * Pillow's `convert('L')`: ITU-R 601 luma in 16 bits of fraction, rounded (Pillow's Convert.c).
 * Comes as an RGB picture with equal channels.
 */
function grey({ width, height, data }: Picture): Picture {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i += 3) {
    const luma = (data[i]! * 19595 + data[i + 1]! * 38470 + data[i + 2]! * 7471 + 0x8000) >> 16;
    out[i] = luma;
    out[i + 1] = luma;
    out[i + 2] = luma;
  }
  return { width, height, data: out };
}

/** `image.convert('L').resize((width, height), LANCZOS)` as Pillow gives it: height × width levels. */
export function greyThumbnail(picture: Picture, width: number, height: number): Uint8Array {
  const { data } = resize(grey(picture), width, height, 'lanczos');
  return Uint8Array.from({ length: width * height }, (_, i) => data[3 * i]!);
}
