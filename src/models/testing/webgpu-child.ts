/**
 * A process of its own for webgpu.test.ts, since the Vulkan loader is looked for when a process starts. Runs the
 * fixture's UNet with the provider that the first argument names; the second is how the path of its profile begins.
 * Prints the prediction as JSON.
 */
import type { Tensor } from '../../math/index.ts';
import type { Provider } from '../../runtime/index.ts';
import { openModelFolder } from '../folder/open.ts';
import { openUnet } from '../networks.ts';
import { fixtures, goldens } from './goldens.ts';

const [provider, profile] = process.argv.slice(2) as [Provider, string];
const golden = goldens('sd1');
const unet = await openUnet(await openModelFolder(`${fixtures}sd1`), { provider, threads: 1, profile });
const predicted = await unet.predict(
  golden('unet.sample') as Tensor<'float32'>,
  500,
  golden('text.last_hidden_state') as Tensor<'float32'>,
);
await unet.close();
process.stdout.write(JSON.stringify({ shape: predicted.shape, data: [...predicted.data] }));
