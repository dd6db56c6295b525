export { type ClipTextOutputs, clipText, clipTextNames, clipTextParameters } from './clip-text.ts';
export {
  type ClipTextConfig,
  parseClipTextConfig,
  parseUnetConfig,
  parseVaeConfig,
  type UNetConfig,
  type VaeConfig,
} from './config.ts';
export type { UNetAddition } from './embeddings.ts';
export { modelDigest } from './folder/digest.ts';
export { type ModelFolder, openModelFolder, type PartSource, type TextPart } from './folder/open.ts';
export { type IfFolder, isIfFolder, openIfFolder } from './folder/open-if.ts';
export { isUnet2dFolder, openUnet2dFolder, type Unet2dFolder } from './folder/open-unet2d.ts';
export {
  type DdpmParts,
  ddpmScheduler,
  type ModelParts,
  type NetworkPart,
  type SchedulerOptions,
  stableDiffusionScheduler,
  type WriteFolderOptions,
  writeDdpmFolder,
  writeModelFolder,
} from './folder/write.ts';
export { writeOnnxFolder } from './folder/write-onnx.ts';
export {
  type IfUnetNetwork,
  ifCaption,
  openIfText,
  openIfUnet,
  type T5Network,
} from './if-networks.ts';
export {
  openUnet,
  openVae,
  type UNetNetwork,
  type VaeNetwork,
} from './networks.ts';
export { type ModelOptions, openModel, refuseTokenizer } from './open-model.ts';
export { latentSize } from './plans.ts';
export {
  asFloat32,
  type DeferredTensor,
  encodeSafetensors,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsWriteOptions,
  type TensorEntry,
  type WritableTensor,
  writeSafetensors,
} from './safetensors.ts';
export type { DenoiserNetworkOptions } from './sessions.ts';
export {
  openTensorStore,
  type StoreWeightsOptions,
  storeWeights,
  type TensorPlace,
  type TensorPlaces,
  type TensorStore,
} from './store.ts';
export { parseT5Config, type T5Config } from './t5-config.ts';
export { type T5Inputs, t5Encoder } from './t5-encoder.ts';
export { openTextEncoder, type TextNetwork } from './text-encoder.ts';
export * from './tokenizer/index.ts';
export { type UNetInputs, unet2DCondition, unetParameters } from './unet.ts';
export { hasClasses, type UNet2DInputs, unet2D, unet2dParameters } from './unet2d.ts';
export {
  parseUnet2dConfig,
  parseVqConfig,
  type UNet2DConfig,
  type VqConfig,
} from './unet2d-config.ts';
export { openUnet2d, openVq, type Unet2dNetwork, type VqNetwork } from './unet2d-networks.ts';
export { oldAttentionName, vaeDecode, vaeEncode, vaeFactor, vaeParameters } from './vae.ts';
export { vqChannels, vqDecode, vqEncode } from './vq.ts';
export {
  type Init,
  initialValues,
  listParameters,
  type Parameter,
  type ParameterShape,
  scope,
  sketchNetwork,
  torchInit,
  type Weights,
} from './weights.ts';
