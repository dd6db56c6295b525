/**
 * A process of its own for the tests of exits. Opens a session, tells its parent "open", and then does
 * what the first argument says.
 */
import { createGraph, input, type Model, matmul, model, tanh } from '../../graph/index.ts';
import { floatTensor } from '../../math/index.ts';
import { openSession } from '../session.ts';

const SIZE = 512;

function longModel(): Model {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [SIZE, SIZE]);
  let value = x;
  for (let i = 0; i < 80; i++) value = tanh(matmul(value, x));
  return model(graph, { y: value });
}

const x = floatTensor([SIZE, SIZE]);
const session = await openSession(longModel(), { threads: 1 });
switch (process.argv[2]) {
  case 'leave open':
    await session.run({ x });
    break;
  case 'exit while running':
    session.run({ x }).catch(() => {});
    setTimeout(() => process.exit(7), 30);
    break;
  case 'throw while running':
    session.run({ x }).catch(() => {});
    setTimeout(() => {
      throw new Error('thrown on purpose');
    }, 30);
    break;
  case 'exit while opening':
    openSession(longModel()).catch(() => {});
    process.exit(8);
    break;
  case 'close while running':
    session.run({ x }).catch(() => {});
    await session.close();
    process.stdout.write('closed');
}
