import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { x as extract } from 'tar';

/** Environment variables with which a process finds a Vulkan driver in software; or why there is none. */
export type SoftwareGpu = { readonly env: Readonly<Record<string, string>> } | { readonly missing: string };

/**
 * SwiftShader and a Vulkan loader, out of the npm package @sparticuz/chromium, unpacked once into
 * node_modules/.cache: needs no root, no install script and nothing of the system's. The loader is found through
 * LD_LIBRARY_PATH, which a process reads when it starts: the variables are for a process that is yet to start.
 */
export function softwareGpu(): SoftwareGpu {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return {
      missing: `the software Vulkan driver is for linux x64, not ${process.platform} ${process.arch}`,
    };
  const name = '@sparticuz/chromium';
  const found = (createRequire(import.meta.url).resolve.paths(name) ?? []).find((folder) =>
    existsSync(join(folder, name, 'package.json')),
  );
  if (found === undefined) return { missing: `${name} is not installed; npm ci` };
  const { version } = JSON.parse(readFileSync(join(found, name, 'package.json'), 'utf8')) as {
    version: string;
  };
  const folder = join(found, '.cache', `verbatim-swiftshader-${version}`);
  if (!existsSync(folder)) unpack(join(found, name, 'bin', 'swiftshader.tar.br'), folder);
  return { env: { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json') } };
}

function unpack(archive: string, folder: string): void {
  mkdirSync(dirname(folder), { recursive: true });
  const temporary = mkdtempSync(`${folder}.`);
  try {
    const tar = join(temporary, 'archive.tar');
    writeFileSync(tar, brotliDecompressSync(readFileSync(archive)));
    extract({ file: tar, cwd: temporary, sync: true });
    rmSync(tar);
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    // Another process was first.
    if (!existsSync(folder)) throw error;
  }
}
