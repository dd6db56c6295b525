export { type ClipTextOutputs, clipText, clipTextParameters } from './clipText.ts';
export {
  type ClipTextConfig,
  parseClipTextConfig,
  parseUnetConfig,
  parseVaeConfig,
  type UNetConfig,
  type VaeConfig,
} from './config.ts';
export { bfloatToFloat, floatToHalf, halfToFloat } from './half.ts';
export {
  encodeSafetensors,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsWriteOptions,
  type TensorEntry,
  toFloat32,
  writeSafetensors,
} from './safetensors.ts';
export * from './tokenizer/index.ts';
export { type UNetInputs, unet2DCondition, unetParameters } from './unet.ts';
export { vaeDecode, vaeEncode, vaeFactor, vaeParameters } from './vae.ts';
export {
  type Init,
  initialValues,
  listParameters,
  type Parameter,
  type ParameterShape,
  scope,
  torchInit,
  type Weights,
} from './weights.ts';
