/** Exit code of a run stopped by Ctrl-C: 128 + SIGINT. */
export const INTERRUPTED = 130;

/**
 * Runs a body that can be stopped: the first SIGINT or SIGTERM fires its signal, the second ends the process.
 *
 * @param onFirst told once, at the first
 */
export async function interruptible<T>(onFirst: () => void, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    onFirst();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, stop);
  try {
    return await body(controller.signal);
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}
