export { checkExternalData, type DecodeOptions, decodeModel, readModel } from './decode.ts';
export { constantBytes, type EncodeOptions, encodeModel, readConstant } from './encode.ts';
export { refuseStandIn } from './stand-in.ts';
export { type WriteOptions, writeModel } from './write.ts';
