/**
 * A process of its own for webgpu.test.ts, since the Vulkan loader is looked for when a process starts. Runs the
 * layers of a UNet, with random weights, with the provider that the first argument names; the second is how the path of
 * its profile begins. Prints the prediction as JSON.
 */
import { constant, createGraph, input, model, type Value } from '../../graph/index.ts';
import { createRandom, elementCount, floatTensor } from '../../math/index.ts';
import { openSession, type Provider } from '../../runtime/index.ts';
import { resnetBlock, transformer2D } from '../layers.ts';
import { initialValues, scope, torchInit, type Weights } from '../weights.ts';

const [provider, profile] = process.argv.slice(2) as [Provider, string];
const width = 32;
/** A residual block and a transformer block: all kinds of layers of a UNet. A driver in software compiles for a minute for more. */
function network(w: Weights, x: Value, states: Value): Value {
  const resnet = resnetBlock(scope(w, 'resnet'), x, width, undefined, { groups: 8, epsilon: 1e-5 });
  return transformer2D(scope(w, 'attention'), resnet, states, {
    heads: 2,
    layers: 1,
    groups: 8,
    linearProjection: false,
  });
}

const random = createRandom(1);
const noise = (shape: readonly number[]) =>
  floatTensor(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );
const feeds = { x: noise([2, width, 8, 8]), states: noise([2, 7, width]) };
const graph = createGraph();
const weights: Weights = (name, shape) => {
  const [parameter] = torchInit([{ name, shape }]);
  // A bias alone does not tell its width: drawn like a weight of this one.
  const init = name.endsWith('.bias')
    ? ({ kind: 'uniform', bound: width ** -0.5 } as const)
    : parameter!.init;
  const values = initialValues({ name, shape, init }, () => random.uniform());
  return constant(graph, floatTensor(shape, values), name);
};
const x = input(graph, 'x', 'float32', feeds.x.shape);
const states = input(graph, 'states', 'float32', feeds.states.shape);
const out = network(weights, x, states);
const session = await openSession(model(graph, { out }), { provider, threads: 1, profile });
const { out: predicted } = await session.run(feeds);
await session.close();
process.stdout.write(JSON.stringify({ shape: predicted!.shape, data: [...predicted!.data].map(Number) }));
