import {
  add,
  averagePool,
  cast,
  concat,
  conv2d,
  type Dim,
  gelu,
  groupNorm,
  layerNorm,
  linear,
  matmul,
  mul,
  multiHeadAttention,
  reshape,
  silu,
  slice,
  softmax,
  split,
  transpose,
  upsampleNearest,
  type Value,
} from '../graph/index.ts';
import { crossNormGroups } from './config.ts';
import { scope, type Weights } from './weights.ts';

/**
 * The layers that the networks are made of, named and computed as in PyTorch and diffusers. Pictures are
 * [batch, channels, height, width], sequences [batch, tokens, width]; dimension 0 is never folded into
 * another, so that it may stay symbolic.
 */

/** A size that must be known when the graph is built: everything but the batch. */
export function knownSize(value: Value, axis: number): number {
  const size = value.shape[axis];
  if (typeof size !== 'number')
    throw new RangeError(`axis ${axis} of ${value.name} must have a known size, it is [${value.shape}]`);
  return size;
}

export function batchOf(value: Value): Dim {
  return value.shape[0]!;
}

/** x [.., from] → [.., to]. */
export function linearLayer(w: Weights, x: Value, from: number, to: number, bias = true): Value {
  return linear(x, w('weight', [to, from]), bias ? w('bias', [to]) : undefined);
}

/** A float32 value in the precision that the graph computes in. */
export function entering(x: Value): Value {
  return x.dtype === x.graph.precision ? x : cast(x, x.graph.precision);
}

/** What a network gives, as float32. */
export function leaving(x: Value): Value {
  return x.dtype === 'float32' ? x : cast(x, 'float32');
}

/** The first `count` channels of x [b, c, h, w]: of a network that learned the variance too, its prediction. */
export function firstChannels(x: Value, count: number): Value {
  return knownSize(x, 1) === count ? x : slice(x, { axis: 1, start: 0, end: count });
}

export interface ConvShape {
  readonly kernel?: number;
  readonly stride?: number;
  /** One number for all sides, or [top, left, bottom, right]. Default: keeps the size at stride 1. */
  readonly padding?: number | readonly [number, number, number, number];
}

/** x [b, from, h, w] → [b, to, h', w']. */
export function convLayer(w: Weights, x: Value, from: number, to: number, shape: ConvShape = {}): Value {
  const kernel = shape.kernel ?? 3;
  return conv2d(x, w('weight', [to, from, kernel, kernel]), {
    bias: w('bias', [to]),
    stride: shape.stride ?? 1,
    padding: shape.padding ?? Math.floor((kernel - 1) / 2),
  });
}

export function groupNormLayer(w: Weights, x: Value, groups: number, epsilon: number): Value {
  const channels = knownSize(x, 1);
  return groupNorm(x, { groups, scale: w('weight', [channels]), bias: w('bias', [channels]), epsilon });
}

export function layerNormLayer(w: Weights, x: Value, epsilon: number): Value {
  const width = knownSize(x, x.shape.length - 1);
  return layerNorm(x, { scale: w('weight', [width]), bias: w('bias', [width]), epsilon });
}

/** A number times a value, left out when it is 1. */
export function scaled(x: Value, factor: number): Value {
  return factor === 1 ? x : mul(x, factor);
}

/** Halves height and width by a strided convolution; padding 0 pads below and to the right only. */
export function downsampleLayer(w: Weights, x: Value, channels: number, padding: number): Value {
  return convLayer(scope(w, 'conv'), x, channels, channels, {
    stride: 2,
    padding: padding === 0 ? [0, 0, 1, 1] : padding,
  });
}

export function upsampleLayer(w: Weights, x: Value, channels: number): Value {
  return convLayer(scope(w, 'conv'), upsampleNearest(x, 2), channels, channels);
}

export interface ResnetOptions {
  readonly groups: number;
  readonly epsilon: number;
  /** `scale_shift`: the time embedding scales and shifts what norm2 gives; `default`: it is added before. */
  readonly timeNorm?: 'default' | 'scale_shift';
  /** The sum of both branches is divided by it. */
  readonly outputScale?: number;
  /** Default SiLU. */
  readonly activate?: (x: Value) => Value;
  /** Both branches are doubled (nearest) or halved (mean) in size before the first convolution. */
  readonly resample?: 'up' | 'down';
}

/**
 * diffusers' ResnetBlock2D: x [b, in, h, w] → [b, out, h, w]. `embedding` is activate(time embedding)
 * [b | 1, width]: the activation is the same for all blocks and is taken once by the caller.
 */
export function resnetBlock(
  w: Weights,
  x: Value,
  out: number,
  embedding: Value | undefined,
  options: ResnetOptions,
): Value {
  const { groups, epsilon, timeNorm = 'default', outputScale = 1, activate = silu } = options;
  const channels = knownSize(x, 1);
  const resampled = (value: Value) => {
    if (options.resample === undefined) return value;
    return options.resample === 'up' ? upsampleNearest(value, 2) : averagePool(value, { kernel: 2 });
  };
  let h = resampled(activate(groupNormLayer(scope(w, 'norm1'), x, groups, epsilon)));
  h = convLayer(scope(w, 'conv1'), h, channels, out);
  const shifts: Value[] = [];
  if (embedding) {
    const count = timeNorm === 'scale_shift' ? 2 : 1;
    const width = knownSize(embedding, 1);
    const projected = linearLayer(scope(w, 'time_emb_proj'), embedding, width, count * out);
    const spatial = reshape(projected, [batchOf(projected), count * out, 1, 1]);
    shifts.push(...(count === 2 ? split(spatial, [out, out], 1) : [spatial]));
  }
  if (shifts.length === 1) h = add(h, shifts[0]!);
  h = groupNormLayer(scope(w, 'norm2'), h, groups, epsilon);
  if (shifts.length === 2) h = add(add(h, mul(h, shifts[0]!)), shifts[1]!);
  h = convLayer(scope(w, 'conv2'), activate(h), out, out);
  const shortcut = resampled(x);
  const skip =
    channels === out
      ? shortcut
      : convLayer(scope(w, 'conv_shortcut'), shortcut, channels, out, { kernel: 1 });
  return scaled(add(skip, h), 1 / outputScale);
}

/**
 * Softmax(q·kᵀ·scale + mask)·v over `heads` heads: q [b, t, width], k and v [b | 1, s, width] → [b, t, width].
 * The scale, 1/√d without one given, is applied to q, which is smaller than the scores.
 * One operator where the graph may hold it, which computes the same without ever holding the scores.
 */
export function attend(
  q: Value,
  k: Value,
  v: Value,
  heads: number,
  mask?: Value,
  scale = (knownSize(q, 2) / heads) ** -0.5,
): Value {
  const width = knownSize(q, 2);
  const size = width / heads;
  if (q.graph.runtimeOperators && !mask && batchOf(q) === batchOf(k))
    return multiHeadAttention(q, k, v, heads, scale);
  const perHead = (value: Value) => reshape(value, [batchOf(value), knownSize(value, 1), heads, size]);
  const queries = transpose(perHead(scaled(q, scale)), [0, 2, 1, 3]);
  const keys = transpose(perHead(k), [0, 2, 3, 1]);
  const values = transpose(perHead(v), [0, 2, 1, 3]);
  const scores = matmul(queries, keys);
  const weights = softmax(mask ? add(scores, mask) : scores, -1);
  const mixed = transpose(matmul(weights, values), [0, 2, 1, 3]);
  return reshape(mixed, [batchOf(q), knownSize(q, 1), width]);
}

/**
 * diffusers' Attention on sequences: x [b, t, width], context [b | 1, s, contextWidth] → [b, t, width]. `upcast` takes the
 * products of queries and keys in float32, whatever the graph's precision.
 */
export function attentionLayer(
  w: Weights,
  x: Value,
  context: Value,
  heads: number,
  options: { readonly bias: boolean; readonly upcast?: boolean },
): Value {
  const width = knownSize(x, 2);
  const contextWidth = knownSize(context, 2);
  const q = linearLayer(scope(w, 'to_q'), x, width, width, options.bias);
  const k = linearLayer(scope(w, 'to_k'), context, contextWidth, width, options.bias);
  const v = linearLayer(scope(w, 'to_v'), context, contextWidth, width, options.bias);
  const attended = options.upcast
    ? entering(attend(leaving(q), leaving(k), leaving(v), heads))
    : attend(q, k, v, heads);
  return linearLayer(scope(w, 'to_out.0'), attended, width, width);
}

/** [b, c, h, w] → [b, h·w, c]. */
export function toSequence(x: Value): Value {
  const channels = knownSize(x, 1);
  const positions = knownSize(x, 2) * knownSize(x, 3);
  return transpose(reshape(x, [batchOf(x), channels, positions]), [0, 2, 1]);
}

/** [b, h·w, c] → [b, c, h, w]. */
export function toPicture(x: Value, height: number, width: number): Value {
  return reshape(transpose(x, [0, 2, 1]), [batchOf(x), knownSize(x, 2), height, width]);
}

export interface SpatialAttentionOptions {
  readonly heads: number;
  /** Groups of the norm before it; undefined: there is no norm. */
  readonly groups: number | undefined;
  readonly epsilon: number;
  /** The sum of both branches is divided by it. */
  readonly outputScale?: number;
}

/** diffusers' Attention on pictures, once `AttentionBlock`: x + attention over all positions of norm(x). */
export function spatialAttention(w: Weights, x: Value, options: SpatialAttentionOptions): Value {
  const { heads, groups, epsilon, outputScale = 1 } = options;
  const normed = groups === undefined ? x : groupNormLayer(scope(w, 'group_norm'), x, groups, epsilon);
  const states = toSequence(normed);
  const attended = attentionLayer(w, states, states, heads, { bias: true });
  return scaled(add(x, toPicture(attended, knownSize(x, 2), knownSize(x, 3))), 1 / outputScale);
}

export interface AddedKvOptions {
  readonly heads: number;
  /** Groups of the norm before it. */
  readonly groups: number;
  /** Whether the text states go through a group norm first. */
  readonly normContext: boolean;
}

/**
 * diffusers' Attention with added keys and values, on pictures (of IF, as of OpenAI's unCLIP): positions attend to text
 * states and positions together. x [b, c, h, w], context [b, t, width] → [b, c, h, w].
 */
export function addedKvAttention(w: Weights, x: Value, context: Value, options: AddedKvOptions): Value {
  const channels = knownSize(x, 1);
  const width = knownSize(context, 2);
  const turned = (value: Value) => transpose(value, [0, 2, 1]);
  const text = options.normContext
    ? turned(groupNormLayer(scope(w, 'norm_cross'), turned(context), crossNormGroups, 1e-5))
    : context;
  const states = toSequence(groupNormLayer(scope(w, 'group_norm'), x, options.groups, 1e-5));
  const own = (name: string) => linearLayer(scope(w, name), states, channels, channels);
  const added = (name: string) => linearLayer(scope(w, name), text, width, channels);
  const keys = concat([added('add_k_proj'), own('to_k')], 1);
  const values = concat([added('add_v_proj'), own('to_v')], 1);
  const attended = attend(own('to_q'), keys, values, options.heads);
  const out = linearLayer(scope(w, 'to_out.0'), attended, channels, channels);
  return add(x, toPicture(out, knownSize(x, 2), knownSize(x, 3)));
}

/** diffusers' BasicTransformerBlock: self-attention, cross-attention, GEGLU feed-forward, each residual. */
function transformerBlock(w: Weights, x: Value, context: Value, options: TransformerOptions): Value {
  const { heads, upcast = false } = options;
  const width = knownSize(x, 2);
  const epsilon = 1e-5;
  const own = layerNormLayer(scope(w, 'norm1'), x, epsilon);
  let h = add(x, attentionLayer(scope(w, 'attn1'), own, own, heads, { bias: false, upcast }));
  const asking = layerNormLayer(scope(w, 'norm2'), h, epsilon);
  h = add(h, attentionLayer(scope(w, 'attn2'), asking, context, heads, { bias: false, upcast }));
  const inner = 4 * width;
  const fed = layerNormLayer(scope(w, 'norm3'), h, epsilon);
  const gated = linearLayer(scope(w, 'ff.net.0.proj'), fed, width, 2 * inner);
  const [value, gate] = split(gated, [inner, inner], 2);
  return add(h, linearLayer(scope(w, 'ff.net.2'), mul(value!, gelu(gate!)), inner, width));
}

export interface TransformerOptions {
  readonly heads: number;
  readonly layers: number;
  readonly groups: number;
  /** Stable Diffusion 2: projections into and out of the sequence are linear, else 1×1 convolutions. */
  readonly linearProjection: boolean;
  /** Attention in float32, where half precision would exceed its range. */
  readonly upcast?: boolean;
}

/** diffusers' Transformer2DModel on pictures: x [b, c, h, w], context [b | 1, t, d] → [b, c, h, w]. */
export function transformer2D(w: Weights, x: Value, context: Value, options: TransformerOptions): Value {
  const channels = knownSize(x, 1);
  const [height, width] = [knownSize(x, 2), knownSize(x, 3)];
  // heads · floor(channels / heads): diffusers' inner width, also where heads do not divide the channels.
  const inner = options.heads * Math.floor(channels / options.heads);
  const normed = groupNormLayer(scope(w, 'norm'), x, options.groups, 1e-6);
  let h = options.linearProjection
    ? linearLayer(scope(w, 'proj_in'), toSequence(normed), channels, inner)
    : toSequence(convLayer(scope(w, 'proj_in'), normed, channels, inner, { kernel: 1 }));
  for (let layer = 0; layer < options.layers; layer++)
    h = transformerBlock(scope(w, `transformer_blocks.${layer}`), h, context, options);
  const out = options.linearProjection
    ? toPicture(linearLayer(scope(w, 'proj_out'), h, inner, channels), height, width)
    : convLayer(scope(w, 'proj_out'), toPicture(h, height, width), inner, channels, { kernel: 1 });
  return add(out, x);
}
