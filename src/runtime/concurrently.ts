/**
 * The results of `work` for each item, in the items' order, with at most `limit` of them under way or waiting to be taken:
 * so memory is bounded by the limit, however slowly they are taken. Items are asked for when there is room for them.
 *
 * The first error, in the items' order, ends it; what is then under way is awaited, so that nothing runs on unseen.
 */
export async function* mapConcurrently<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  limit: number,
  work: (item: Item, index: number) => Promise<Result>,
): AsyncGenerator<Result> {
  if (!Number.isInteger(limit) || limit < 1)
    throw new RangeError(`mapConcurrently: a limit is a whole number from 1 on, not ${limit}`);
  const underWay: Promise<Result>[] = [];
  let index = 0;
  try {
    for await (const item of items) {
      const result = work(item, index++);
      // Awaited in its turn; until then a failure is no unhandled rejection.
      result.catch(() => {});
      underWay.push(result);
      if (underWay.length === limit) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    await Promise.allSettled(underWay);
  }
}
