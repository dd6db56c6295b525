import { elementCount } from '../../math/index.ts';
import { float, int, intOf } from '../attributes.ts';
import { addOne, constantVector } from '../build.ts';
import { composite } from '../composite.ts';
import { defineOps } from '../registry.ts';
import { axisOf, concreteShape, fail, formatShape, operand, sameShape } from '../shapes.ts';
import type { Dim, Precision, Value } from '../value.ts';
import { add, mul } from './arithmetic.ts';
import {
  batchNormGradient,
  channelwiseGradient,
  groupNormGradient,
  instanceNormGradient,
  layerNormGradient,
} from './normalization-gradient.ts';
import { reshape } from './shape.ts';

export interface GroupNormOptions {
  readonly groups: number;
  /** [channels] */
  readonly scale: Value;
  /** [channels] */
  readonly bias: Value;
  /** Added to the variance; PyTorch's default 1e-5, diffusers' UNet 1e-5, its VAE 1e-6. */
  readonly epsilon?: number;
}

/**
 * Group normalisation (Wu & He 2018) of x [n, channels, …]: each group of channels of each sample gets
 * mean 0 and variance 1, then scale and bias per channel. Built as InstanceNormalization over groups.
 */
export function groupNorm(x: Value, { groups, scale, bias, epsilon = 1e-5 }: GroupNormOptions): Value {
  const channels = x.shape[1];
  if (typeof channels !== 'number' || channels % groups !== 0)
    fail({ op: 'groupNorm' }, `${groups} groups do not divide the channels of ${formatShape(x.shape)}`);
  const spatial = concreteShape({ op: 'groupNorm' }, x.shape.slice(2));
  for (const [name, value] of Object.entries({ scale, bias }))
    if (!sameShape(value.shape, [channels]))
      fail({ op: 'groupNorm' }, `the ${name} must be [${channels}], but is ${formatShape(value.shape)}`);
  const perGroup = (channels / groups) * elementCount(spatial);
  const grouped = reshape(x, [x.shape[0]!, groups, perGroup]);
  const [ones, zeros] = [1, 0].map((value) => constantVector(x.graph, groups, value, precisionOf(x)));
  const normalized = addOne(x.graph, 'InstanceNormalization', [grouped, ones, zeros], {
    epsilon: float(epsilon),
  });
  const column = [channels, ...spatial.map(() => 1)];
  const y = add(mul(reshape(normalized, x.shape), reshape(scale, column)), reshape(bias, column));
  return composite('groupNorm', y, [x, scale, bias], (back) => channelwiseGradient(back, groups, epsilon));
}

function precisionOf(x: Value): Precision {
  return x.dtype === 'float16' ? 'float16' : 'float32';
}

export interface LayerNormOptions {
  /** [last size of x]; ones when absent. */
  readonly scale?: Value | undefined;
  /** [last size of x]; zeros when absent. */
  readonly bias?: Value | undefined;
  readonly epsilon?: number;
}

/** Layer normalisation (Ba et al. 2016) over the last axis. */
export function layerNorm(x: Value, { scale, bias, epsilon = 1e-5 }: LayerNormOptions = {}): Value {
  const last = x.shape.at(-1);
  if (typeof last !== 'number')
    fail({ op: 'layerNorm' }, `the last size of ${formatShape(x.shape)} must be known`);
  const inputs = [
    x,
    scale ?? constantVector(x.graph, last, 1, precisionOf(x)),
    ...(bias === undefined ? [] : [bias]),
  ];
  return addOne(x.graph, 'LayerNormalization', inputs, { axis: int(-1), epsilon: float(epsilon) });
}

function checkChannels(
  call: Parameters<typeof operand>[0],
  channels: Dim | undefined,
  inputs: readonly number[],
): void {
  for (const i of inputs) {
    const value = operand(call, i);
    const size = value.shape[0];
    if (
      value.shape.length !== 1 ||
      (typeof channels === 'number' && typeof size === 'number' && size !== channels)
    )
      fail(call, `input ${i} must be [${channels}], but is ${formatShape(value.shape)}`);
  }
}

defineOps({
  InstanceNormalization: {
    infer: (call) => {
      const x = operand(call, 0);
      if (x.shape.length < 3) fail(call, `needs [n, channels, …], got ${formatShape(x.shape)}`);
      checkChannels(call, x.shape[1], [1, 2]);
      return [{ dtype: x.dtype, shape: x.shape }];
    },
    gradient: instanceNormGradient,
  },
  GroupNormalization: {
    infer: (call) => {
      const x = operand(call, 0);
      const groups = intOf(call, 'num_groups', 1);
      const channels = x.shape[1];
      if (typeof channels === 'number' && channels % groups !== 0)
        fail(call, `${groups} groups do not divide the channels of ${formatShape(x.shape)}`);
      // Scale and bias are per group in operator sets 18 to 20, per channel from 21 on.
      checkChannels(call, call.graph.opset < 21 ? groups : channels, [1, 2]);
      return [{ dtype: x.dtype, shape: x.shape }];
    },
    gradient: groupNormGradient,
  },
  LayerNormalization: {
    infer: (call) => {
      const x = operand(call, 0);
      const axis = axisOf(call, intOf(call, 'axis', -1), x.shape.length);
      const inner = x.shape.slice(axis);
      for (const i of [1, 2]) {
        const value = call.inputs[i];
        if (
          value !== undefined &&
          !value.shape.every((dim, k) => dim === inner[k + inner.length - value.shape.length])
        )
          fail(call, `input ${i} must be ${formatShape(inner)}, but is ${formatShape(value.shape)}`);
      }
      const moments = x.shape.map((dim, i) => (i < axis ? dim : 1));
      const all = [
        { dtype: x.dtype, shape: x.shape },
        { dtype: 'float32' as const, shape: moments },
        { dtype: 'float32' as const, shape: moments },
      ];
      return all.slice(0, call.outputs ?? 1);
    },
    gradient: layerNormGradient,
  },
  BatchNormalization: {
    infer: (call) => {
      const x = operand(call, 0);
      if (intOf(call, 'training_mode', 0) === 1)
        fail(call, 'is supported with stored moments only, not in training mode');
      checkChannels(call, x.shape[1], [1, 2, 3, 4]);
      return [{ dtype: x.dtype, shape: x.shape }];
    },
    gradient: batchNormGradient,
  },
});
