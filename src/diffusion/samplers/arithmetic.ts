import { floatTensor, type Tensor } from '../../math/index.ts';

/** `a·x + b·y`, elementwise. */
export function combine(a: number, x: Tensor<'float32'>, b: number, y: Tensor<'float32'>): Tensor<'float32'> {
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = a * x.data[i]! + b * y.data[i]!;
  return floatTensor(x.shape, data);
}

/** The derivative dx/dσ of the probability flow, `(x − D)/σ`: Karras et al. 2022, equation 3. */
export function slope(x: Tensor<'float32'>, denoised: Tensor<'float32'>, sigma: number): Tensor<'float32'> {
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = (x.data[i]! - denoised.data[i]!) / sigma;
  return floatTensor(x.shape, data);
}
