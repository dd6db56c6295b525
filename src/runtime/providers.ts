import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { scriptUrl, tsxFile } from './launch.ts';
import type { Provider } from './session.types.ts';

const PROVIDERS: readonly Provider[] = ['cuda', 'webgpu', 'cpu'];
/** A provider that says nothing for so long (driver trouble) counts as not working. */
const PROBE_TIMEOUT_MS = 60_000;

/** Whether a provider works on this machine. */
export interface ProviderProbe {
  readonly provider: Provider;
  readonly works: boolean;
  /** How it was tested, or why it does not work, in one line. */
  readonly detail: string;
}

/**
 * Tries every provider on a small matrix product, each in a process of its own, since a broken GPU
 * driver can take its process down. Never rejects.
 */
export async function probeProviders(): Promise<ProviderProbe[]> {
  return await Promise.all(PROVIDERS.map(probe));
}

const probes = new Map<Provider, Promise<ProviderProbe>>();

/** One provider's probe; its result is kept for the life of the process. */
export function probe(provider: Provider): Promise<ProviderProbe> {
  const known = probes.get(provider) ?? runProbe(provider);
  probes.set(provider, known);
  return known;
}

/** The providers that `openSession` tries, in order. A named one is tried alone, so that its error is seen. */
export async function providersToTry(provider: Provider | 'auto'): Promise<readonly Provider[]> {
  if (provider !== 'auto') return [provider];
  const found = await Promise.all(PROVIDERS.filter((name) => name !== 'cpu').map(probe));
  return [...found.filter(({ works }) => works).map((result) => result.provider), 'cpu'];
}

function runProbe(provider: Provider): Promise<ProviderProbe> {
  const script = scriptUrl('probe');
  const execArgv = script.pathname.endsWith('.ts') ? ['--import', tsxFile('./dist/loader.mjs')] : [];
  return new Promise((resolve) => {
    const child = fork(fileURLToPath(script), [provider], {
      execArgv,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      timeout: PROBE_TIMEOUT_MS,
    });
    let detail: { works: boolean; detail: string } | undefined;
    child.on('message', (message) => {
      detail = message as { works: boolean; detail: string };
    });
    const finish = (fallback: string) =>
      resolve({ provider, ...(detail ?? { works: false, detail: fallback }) });
    child.on('error', (error) => finish(`the test process could not be started: ${error.message}`));
    child.on('exit', (code, signal) =>
      finish(
        signal
          ? `the test process was ended by ${signal} (a crash or ${PROBE_TIMEOUT_MS / 1000} s without an answer)`
          : `the test process ended with code ${code}`,
      ),
    );
  });
}
