import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { connect } from './channel.ts';
import { CONTROL_BYTES } from './protocol.ts';

/** A worker of a given text instead of ours. */
function connectTo(script: string) {
  const control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES));
  return connect({ worker: new Worker(script, { eval: true }), control }, 'model.onnx');
}
const held = { kind: 'held', name: 'x' } as const;

describe('a worker that fails', () => {
  it.each([
    [
      'throws',
      'require("node:worker_threads").parentPort.on("message", () => { throw new Error("boom"); })',
      /boom/,
    ],
    [
      'exits',
      'require("node:worker_threads").parentPort.on("message", () => process.exit(3))',
      /exit code 3/,
    ],
    ['cannot start', 'throw new Error("no such library")', /no such library/],
  ])('%s: rejects everything in flight and everything later', async (_, script, message) => {
    const channel = connectTo(script);
    const outcomes = await Promise.all(
      [1, 2, 3].map(() => channel.call(held).catch((error: unknown) => error)),
    );
    outcomes.push(await channel.call(held).catch((error: unknown) => error));
    for (const outcome of outcomes) {
      expect(outcome).toBeInstanceOf(VerbatimError);
      expect((outcome as Error).message).toMatch(message);
      expect((outcome as Error).message).toMatch(/^model\.onnx: /);
    }
    await channel.stop(new Error('stopped'));
  });
});
