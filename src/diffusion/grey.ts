import { floatTensor, type Tensor } from '../math/index.ts';

/** [n, 1, h, w] → [n, 3, h, w], three times the same. */
export function greyToRgb(grey: Tensor<'float32'>): Tensor<'float32'> {
  const [count, , height, width] = grey.shape as [number, number, number, number];
  const plane = height * width;
  const data = new Float32Array(count * 3 * plane);
  for (let n = 0; n < count; n++)
    for (let c = 0; c < 3; c++) data.set(grey.data.subarray(n * plane, (n + 1) * plane), (3 * n + c) * plane);
  return floatTensor([count, 3, height, width], data);
}

/** [n, 3, h, w] → [n, 1, h, w], the mean of the channels: what grey pictures stored as RGB have in each. */
export function rgbToGrey(rgb: Tensor<'float32'>): Tensor<'float32'> {
  const [count, , height, width] = rgb.shape as [number, number, number, number];
  const plane = height * width;
  const data = new Float32Array(count * plane);
  for (let n = 0; n < count; n++)
    for (let i = 0; i < plane; i++) {
      let sum = 0;
      for (let c = 0; c < 3; c++) sum += rgb.data[(3 * n + c) * plane + i]!;
      data[n * plane + i] = sum / 3;
    }
  return floatTensor([count, 1, height, width], data);
}
