export {
  dhash,
  dhashDescriptor,
  type EncodedHash,
  phash,
  phashDescriptor,
  phashOfEncoded,
} from './hashes.ts';
export {
  type DenoiserNetworkOptions,
  type NetworkDescription,
  networkDescriptionSchema,
  openNetworkDescriptor,
} from './network.ts';
export { networkDescriptions } from './networks.ts';
export { descriptorNames, openDescriptor } from './open.ts';
export { openPictureThreads, type PictureThreads } from './picture-threads.ts';
export { pixelDescriptor } from './pixels.ts';
export { cosineSimilarity, hammingDistance, splitProduct } from './similarity.ts';
export type { BitDescriptor, Descriptor, VectorDescriptor } from './types.ts';
export { vectorsOf } from './vectors.ts';
