import type { Provider, ProviderProbe } from '../runtime/index.ts';

/** What to do so that a provider that does not work here works; undefined where nothing can be done or need be. */
export function remedy(
  { provider, works, detail }: ProviderProbe,
  platform: string = process.platform,
  arch: string = process.arch,
): string | undefined {
  if (works) return undefined;
  return remedies[provider](detail, platform, arch);
}

type Remedy = (detail: string, platform: string, arch: string) => string;

const remedies: Readonly<Record<Provider, Remedy>> = {
  cpu: () => 'install onnxruntime-node again: rm -rf node_modules, npm ci',
  cuda(detail, platform, arch) {
    if (platform !== 'linux' || arch !== 'x64')
      return `onnxruntime-node has CUDA for linux x64 only, not ${platform} ${arch}; use webgpu`;
    // What installs with scripts off lack is the provider itself; CUDA's own libraries are looked for after it.
    return /libcu|cudnn/i.test(detail)
      ? 'an NVIDIA driver (nvidia-smi shows it), the CUDA version that the message names (libcudart, libcublas) and cuDNN 9 (libcudnn.so.9) must be found: from NVIDIA’s packages, or by LD_LIBRARY_PATH'
      : 'libonnxruntime_providers_cuda.so and libonnxruntime_providers_shared.so are not in the npm package: for CUDA 12, npm rebuild onnxruntime-node --ignore-scripts=false; for CUDA 13, take both out of PyPI’s onnxruntime-gpu of the same version (docs/runtime.md); an NVIDIA driver and cuDNN 9 are needed too';
  },
  webgpu(_, platform) {
    if (platform !== 'linux') return 'update the graphics driver: it must have Direct3D 12 or Metal';
    return 'Vulkan is needed: libvulkan.so.1 (Debian, Ubuntu: apt install libvulkan1) and a driver (apt install mesa-vulkan-drivers, or NVIDIA’s own)';
  },
};
