/**
 * Our side of the full-size measurement as a process of its own, so that its memory is its own: asked as the peers are
 * (see peers/serve.py), one JSON request per line.
 */
import { createInterface } from 'node:readline';
import type { Tensor } from '../src/math/index.ts';
import { openModel, openSafetensors, openUnet } from '../src/models/index.ts';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const answer = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

const { model, inputs, threads } = JSON.parse((await lines.next()).value!);
const file = openSafetensors(inputs);
const [sample, states] = ['sample', 'states'].map((name) => file.read(name) as Tensor<'float32'>);
file.close();
const start = performance.now();
const unet = await openUnet(await openModel(model, {}), { provider: 'cpu', threads });
const loadSeconds = (performance.now() - start) / 1000;
const run = () => unet.predict(sample!, 500, states!);
const first = await run();
answer({ peer: 'Verbatim', threads, flops: 0, results: { loadSeconds, output: [...first.data] } });
for await (const line of lines) {
  const seconds: number[] = [];
  for (let i = 0; i < JSON.parse(line).run; i++) {
    const began = performance.now();
    await run();
    seconds.push((performance.now() - began) / 1000);
  }
  answer({ seconds });
}
