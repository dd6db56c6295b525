import {
  add,
  constant,
  conv2d,
  createGraph,
  groupNorm,
  input,
  linear,
  log,
  model,
  mul,
  neg,
  reduceMean,
  reduceSum,
  silu,
  softmax,
  type Value,
} from '../graph/index.ts';
import { type Picture, picturesToTensor } from '../images/index.ts';
import { createRandom, floatTensor, hashSeed, type Tensor } from '../math/index.ts';
import { listParameters, torchInit, type Weights } from '../models/index.ts';
import { openSession } from '../runtime/index.ts';
import { epochBatches } from './batches.ts';
import { type LabContext, type Optimisation, type TrainedNetwork, trainNetwork } from './network.ts';

/**
 * Which kind of picture is this? Four stride-2 convolutions, mean, linear: enough to tell the lab's scenes
 * apart, and independent of the generator it judges.
 * `picture` [B, 3, side, side] in [−1, 1] → logits [B, classes].
 */
function classify(weights: Weights, picture: Value, channels: number, classes: number): Value {
  let x = picture;
  let width = 3;
  for (let level = 0; level < 4; level++) {
    const next = channels * 2 ** Math.min(level, 2);
    const name = `conv.${level}`;
    x = conv2d(x, weights(`${name}.weight`, [next, width, 3, 3]), {
      bias: weights(`${name}.bias`, [next]),
      stride: 2,
      padding: 1,
    });
    x = silu(
      groupNorm(x, {
        groups: 8,
        scale: weights(`norm.${level}.weight`, [next]),
        bias: weights(`norm.${level}.bias`, [next]),
        epsilon: 1e-5,
      }),
    );
    width = next;
  }
  const pooled = reduceMean(x, [2, 3], false);
  return linear(pooled, weights('head.weight', [classes, width]), weights('head.bias', [classes]));
}

/** Says of pictures which class they show: an index per picture. */
export interface Classifier {
  classify(pictures: readonly Picture[]): Promise<Int32Array>;
  close(): Promise<void>;
}

/**
 * Trains the classifier on labelled pictures, with a little noise added so that a sample's slight blur or
 * grain does not decide, and opens it. Pictures are square with side `pictureSize`.
 */
export async function trainClassifier(options: {
  readonly classes: number;
  readonly channels: number;
  readonly pictureSize: number;
  readonly size: number;
  readonly picture: (index: number) => Promise<Picture>;
  readonly label: (index: number) => number;
  readonly optimisation: Optimisation;
  readonly seed: number;
  readonly digest: string;
  readonly context: LabContext;
}): Promise<{ classifier: Classifier; network: TrainedNetwork }> {
  const { classes, channels, pictureSize, optimisation, seed } = options;
  const batchSize = optimisation.batchSize;
  const shape = [batchSize, 3, pictureSize, pictureSize];
  const parameters = torchInit(
    listParameters((graph, weights) =>
      classify(
        weights,
        input(graph, 'picture', 'float32', [1, 3, pictureSize, pictureSize]),
        channels,
        classes,
      ),
    ),
  );
  const draw = epochBatches(options.size, batchSize, hashSeed(seed, 'classifier'));
  const network = await trainNetwork({
    work: 'classifier',
    parameters,
    loss: (graph, weights) => {
      const picture = input(graph, 'picture', 'float32', shape);
      const target = input(graph, 'target', 'float32', [batchSize, classes]);
      const probabilities = softmax(classify(weights, picture, channels, classes), 1);
      return neg(reduceMean(reduceSum(mul(target, log(add(probabilities, 1e-9))), [1], false)));
    },
    batch: async (step) => {
      const indices = draw(step);
      const pixels = picturesToTensor(
        await Promise.all(Array.from(indices, (index) => options.picture(index))),
      );
      const random = createRandom(hashSeed(seed, 'classifier-noise', step));
      const strength = 0.2 * random.uniform();
      const noisy = pixels.data.map((value) => value + strength * random.normal());
      const target = new Float32Array(batchSize * classes);
      indices.forEach((index, row) => {
        target[row * classes + options.label(index)] = 1;
      });
      return { picture: floatTensor(shape, noisy), target: floatTensor([batchSize, classes], target) };
    },
    optimisation,
    seed: hashSeed(seed, 'classifier'),
    digest: options.digest,
    context: options.context,
  });
  return { classifier: await openClassifier(network.weights, { ...options, batchSize }), network };
}

async function openClassifier(
  weights: ReadonlyMap<string, Tensor<'float32'>>,
  options: { channels: number; classes: number; pictureSize: number; batchSize: number; context: LabContext },
): Promise<Classifier> {
  const { channels, classes, pictureSize } = options;
  const graph = createGraph();
  const picture = input(graph, 'picture', 'float32', ['batch', 3, pictureSize, pictureSize]);
  const logits = classify((name) => constant(graph, weights.get(name)!, name), picture, channels, classes);
  const session = await openSession(model(graph, { logits }), { threads: options.context.threads });
  return {
    async classify(pictures) {
      const result = new Int32Array(pictures.length);
      for (let from = 0; from < pictures.length; from += options.batchSize) {
        const batch = pictures.slice(from, from + options.batchSize);
        const { logits: values } = await session.run({ picture: picturesToTensor(batch) });
        batch.forEach((_, row) => {
          const scores = (values!.data as Float32Array).subarray(row * classes, (row + 1) * classes);
          result[from + row] = scores.indexOf(Math.max(...scores));
        });
      }
      return result;
    },
    close: () => session.close(),
  };
}
