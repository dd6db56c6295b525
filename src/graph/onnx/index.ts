export { checkExternalData, type DecodeOptions, decodeModel, readModel } from './decode.ts';
export { type EncodeOptions, encodeModel } from './encode.ts';
export { type WriteOptions, writeModel } from './write.ts';
