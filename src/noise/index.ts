export { type CudaGenerator, cudaGenerator, LARGEST_CUDA_TENSOR } from './cuda-generator.ts';
export { philox4x32 } from './philox.ts';
export {
  antitheticPairs,
  freshSeeds,
  generatorFor,
  type NoisePlan,
  type NoisePlanDescription,
  type NoiseSource,
  noiseFor,
  noisePlan,
  sharedSeeds,
} from './plan.ts';
export { type Seed, seedBits } from './seed.ts';
export { type TorchGenerator, torchGenerator } from './torch-generator.ts';
