import { int, ints, intsOf } from '../attributes.ts';
import { addOne } from '../build.ts';
import type { Call } from '../registry.ts';
import { defineOps } from '../registry.ts';
import { fail, formatShape, operand, sameDType } from '../shapes.ts';
import type { Attributes, Dim, Shape, Value } from '../value.ts';
import { expectRank } from './common.ts';
import { convolutionGradient, transposedConvolutionGradient } from './convolution-gradient.ts';
import { slidDim, windowOf } from './window.ts';

export interface ConvolutionOptions {
  readonly bias?: Value | undefined;
  readonly stride?: number;
  /** The same on all four sides, or [top, left, bottom, right]. */
  readonly padding?: number | readonly [number, number, number, number];
  readonly dilation?: number;
  readonly groups?: number;
}

export interface TransposedConvolutionOptions extends ConvolutionOptions {
  /** Rows and columns added at the lower and right edge, below the stride. */
  readonly outputPadding?: number;
}

function attributesOf(options: ConvolutionOptions): Attributes {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const pads = typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
  return {
    strides: ints([stride, stride]),
    pads: ints(pads),
    dilations: ints([dilation, dilation]),
    group: int(groups),
  };
}

/** Two-dimensional convolution (correlation, as in PyTorch): x [n, in, h, w], weight [out, in / groups, kh, kw], bias [out]. */
export function conv2d(x: Value, weight: Value, options: ConvolutionOptions = {}): Value {
  expectRank({ op: 'Conv' }, x, 4, 'the picture [n, channels, h, w]');
  const inputs = options.bias === undefined ? [x, weight] : [x, weight, options.bias];
  return addOne(x.graph, 'Conv', inputs, {
    ...attributesOf(options),
    kernel_shape: ints(weight.shape.slice(2).map(Number)),
  });
}

/** Transposed convolution, conv2d's adjoint: x [n, in, h, w], weight [in, out / groups, kh, kw], bias [out]. */
export function convTranspose2d(x: Value, weight: Value, options: TransposedConvolutionOptions = {}): Value {
  expectRank({ op: 'ConvTranspose' }, x, 4, 'the picture [n, channels, h, w]');
  const inputs = options.bias === undefined ? [x, weight] : [x, weight, options.bias];
  const extra = options.outputPadding ?? 0;
  return addOne(x.graph, 'ConvTranspose', inputs, {
    ...attributesOf(options),
    kernel_shape: ints(weight.shape.slice(2).map(Number)),
    output_padding: ints([extra, extra]),
  });
}

function kernelOf(call: Call, weight: Value): number[] {
  const kernel = weight.shape.slice(2);
  if (kernel.some((size) => typeof size !== 'number'))
    fail(call, `the kernel's sizes must be known, but the weight is ${formatShape(weight.shape)}`);
  return kernel as number[];
}

function convolutionShape(call: Call, x: Value, weight: Value): Shape {
  if (x.shape.length !== weight.shape.length || x.shape.length < 3)
    fail(call, `ranks differ: ${formatShape(x.shape)} * weight ${formatShape(weight.shape)}`);
  const window = windowOf(call, x, kernelOf(call, weight));
  const [channels, inner] = [x.shape[1], weight.shape[1]];
  if (typeof channels === 'number' && typeof inner === 'number' && channels !== inner * window.groups)
    fail(
      call,
      `channels differ: ${formatShape(x.shape)} * weight ${formatShape(weight.shape)} with ${window.groups} group(s)`,
    );
  return [
    x.shape[0]!,
    weight.shape[0]!,
    ...window.kernel.map((_, i) => slidDim(call, x.shape[i + 2]!, window, i)),
  ];
}

function transposedShape(call: Call, x: Value, weight: Value): Shape {
  if (x.shape.length !== weight.shape.length || x.shape.length < 3)
    fail(call, `ranks differ: ${formatShape(x.shape)} * weight ${formatShape(weight.shape)}`);
  const window = windowOf(call, x, kernelOf(call, weight));
  if (typeof x.shape[1] === 'number' && typeof weight.shape[0] === 'number' && x.shape[1] !== weight.shape[0])
    fail(call, `channels differ: ${formatShape(x.shape)} * weight ${formatShape(weight.shape)}`);
  if (intsOf(call, 'output_shape') !== undefined)
    fail(call, 'output_shape is not supported; give pads and output_padding');
  const extra = intsOf(call, 'output_padding') ?? window.kernel.map(() => 0);
  const sizes = window.kernel.map((size, i): Dim => {
    const length = x.shape[i + 2]!;
    const border = window.pads[i]! + window.pads[i + window.kernel.length]!;
    const rest = (size - 1) * window.dilations[i]! + 1 + extra[i]! - border;
    return typeof length === 'number'
      ? (length - 1) * window.strides[i]! + rest
      : `((${length}-1)*${window.strides[i]}+${rest})`;
  });
  const perGroup = weight.shape[1]!;
  return [x.shape[0]!, typeof perGroup === 'number' ? perGroup * window.groups : perGroup, ...sizes];
}

function checkBias(call: Call, channels: Dim): void {
  const bias = call.inputs[2];
  if (bias === undefined) return;
  if (bias.shape.length !== 1 || (typeof channels === 'number' && bias.shape[0] !== channels))
    fail(call, `the bias must be [${channels}], but is ${formatShape(bias.shape)}`);
}

defineOps({
  Conv: {
    infer: (call) => {
      const [x, weight] = [operand(call, 0), operand(call, 1)];
      const shape = convolutionShape(call, x, weight);
      checkBias(call, shape[1]!);
      return [{ dtype: sameDType(call, [x, weight]), shape }];
    },
    gradient: convolutionGradient,
  },
  ConvTranspose: {
    infer: (call) => {
      const [x, weight] = [operand(call, 0), operand(call, 1)];
      const shape = transposedShape(call, x, weight);
      checkBias(call, shape[1]!);
      return [{ dtype: sameDType(call, [x, weight]), shape }];
    },
    gradient: transposedConvolutionGradient,
  },
});
