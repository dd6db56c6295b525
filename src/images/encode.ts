import sharp from 'sharp';
import type { Picture } from './picture.ts';

/**
 * PNG bytes, lossless, without any metadata: the same picture gives the same bytes with the same version
 * of sharp on the same kind of processor, so that a PNG may be named by its digest.
 */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  return bytesOf(
    await raw(picture).png({ compressionLevel: 6, adaptiveFiltering: true, palette: false }).toBuffer(),
  );
}

/** JPEG bytes; `quality` 1–100, chroma subsampled 4:2:0 as Pillow and most crawls have it. */
export async function encodeJpeg(picture: Picture, quality = 90): Promise<Uint8Array> {
  return bytesOf(await raw(picture).jpeg({ quality, chromaSubsampling: '4:2:0' }).toBuffer());
}

function raw(picture: Picture) {
  const { width, height, data } = picture;
  if (data.length !== width * height * 3)
    throw new RangeError(
      `A picture of ${width} × ${height} has ${width * height * 3} values, not ${data.length}.`,
    );
  return sharp(data, { raw: { width, height, channels: 3 } });
}

function bytesOf(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
