import { describe, expect, it } from 'vitest';
import { remedy } from './remedies.ts';

const failed = { works: false, detail: 'Failed to load shared library' } as const;

describe('what to install for a provider', () => {
  it('is nothing for one that works', () => {
    expect(remedy({ provider: 'webgpu', works: true, detail: 'right' }, 'linux', 'x64')).toBeUndefined();
  });

  it('names the library and the package for Vulkan', () => {
    const said = remedy({ provider: 'webgpu', ...failed }, 'linux', 'x64');
    expect(said).toContain('libvulkan.so.1');
    expect(said).toContain('apt install libvulkan1');
  });

  it('tells a provider of CUDA that was never fetched from CUDA that is missing', () => {
    expect(remedy({ provider: 'cuda', ...failed }, 'linux', 'x64')).toContain('npm rebuild onnxruntime-node');
    const detail = 'libcudnn.so.9: cannot open shared object file';
    const said = remedy({ provider: 'cuda', works: false, detail }, 'linux', 'x64');
    expect(said).toContain('cuDNN 9');
    expect(said).not.toContain('npm rebuild');
    expect(remedy({ provider: 'cuda', ...failed }, 'darwin', 'arm64')).toContain('not darwin arm64');
  });
});
