import { createBar } from './progress.js';
import type { Terminal } from './terminal.js';
import { count, duration } from './text.js';

const SECONDS_BETWEEN_LINES = 15;

/**
 * How far a command has come with its images, on stderr: a bar in a terminal, else a line now and then.
 *
 * @param done images that were done before
 */
export function createImageProgress(done: number, total: number, { quiet }: Terminal) {
  const began = performance.now();
  let lastLine = began;
  const bar = !quiet && process.stderr.isTTY ? createBar(process.stderr) : undefined;
  bar?.start(total, done);
  return {
    /** @param now images done, those before included */
    update(now: number) {
      const seconds = (performance.now() - began) / 1000;
      const speed = (now - done) / seconds;
      const text = `${count(speed)} images/s, ETA ${duration((total - now) / speed)}`;
      bar?.update(now, `${count(now)} of ${count(total)}`, text);
      if (bar || quiet || now === total || performance.now() - lastLine < SECONDS_BETWEEN_LINES * 1000) return;
      lastLine = performance.now();
      process.stderr.write(`  ${count(now)} of ${count(total)} images, ${text}\n`);
    },
    stop: () => bar?.stop(),
  };
}
