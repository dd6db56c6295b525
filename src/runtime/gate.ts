/** Lets one task run at a time, in the order in which they came; a task that fails lets the next one in. */
export type Gate = <T>(task: () => Promise<T>) => Promise<T>;

export function createGate(): Gate {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => {});
    return result;
  };
}
