import { createHash } from 'node:crypto';
import { encodePng, type Picture } from '../../images/index.ts';
import { type Asked, type LocalService, markedExample, type ServiceOptions, startService } from './server.ts';

/** Side of the test pictures, pixels. */
export const side = 8;

/** A picture that prompt, seed and settings determine. */
export function drawing(text: string, width = side, height = side): Picture {
  const colour = createHash('sha256').update(text).digest();
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => colour[(i * 7) % 32]!);
  return { width, height, data };
}

/** What the test server draws. */
export function draw({ prompt, seed, steps, cfg, width, height }: Asked): Promise<Uint8Array> {
  return encodePng(drawing(JSON.stringify([prompt, seed, steps, cfg]), width, height)) as Promise<Uint8Array>;
}

/** A server that draws, with what is to go wrong. */
export function drawingService(options: Partial<ServiceOptions> = {}): Promise<LocalService> {
  return startService({ draw, ...options });
}

export { markedExample };
