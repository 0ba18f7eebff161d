import type { Job } from './grid-jobs.js';
import type { PoolEvents } from './grid-pool.js';
import { createBar } from './progress.js';
import { duration } from './text.js';

export interface GridProgressOptions {
  stream: NodeJS.WritableStream;
  /** A bar that moves, or lines. */
  bar: boolean;
  jobs: readonly Job[];
  workers: number;
  /** Estimated seconds of a run, by arm. */
  estimates: ReadonlyMap<string, number>;
  /** Seconds between two lines about runs that go on, where there is no bar. */
  every?: number;
  /** Milliseconds, ever rising. */
  now?: () => number;
}

export interface GridProgress {
  events: PoolEvents;
  stop(): void;
}

/** Says how a grid goes: a line for each run that ends, and between them a bar or a line now and then. */
export function createGridProgress({
  stream,
  bar,
  jobs,
  workers,
  estimates,
  every = 60,
  now = () => performance.now(),
}: GridProgressOptions): GridProgress {
  const shares = new Map<Job, number>();
  const ended = new Set<Job>();
  /** Seconds that runs took, by arm. */
  const taken = new Map<string, number[]>();
  let lastLine = now();
  const live = bar ? createBar(stream) : undefined;
  live?.start(jobs.length * 100, 0);

  const say = (line: string) => (live ? live.say(line) : stream.write(`${line}\n`));
  const left = () => {
    const seconds = secondsLeft(
      jobs.filter((job) => !ended.has(job)),
      { shares, taken, estimates, workers },
    );
    return seconds === undefined || seconds === 0 ? '' : ` · ETA ${duration(seconds)}`;
  };
  const running = () => [...shares].map(([job, share]) => `${title(job)} ${Math.floor(share * 100)} %`).join(', ');
  const show = () => {
    const done = [...shares.values()].reduce((sum, share) => sum + share, ended.size);
    live?.update(
      Math.round(done * 100),
      `${ended.size}/${jobs.length} runs`,
      [left().slice(3), running()].filter(Boolean).join(' · '),
    );
    if (!live && now() - lastLine >= every * 1000 && shares.size > 0) {
      lastLine = now();
      say(`  ${running()}${left()}`);
    }
  };
  const end = (job: Job, line: string) => {
    shares.delete(job);
    ended.add(job);
    lastLine = now();
    say(`${ended.size}/${jobs.length} ${title(job)}: ${line}${left()}`);
    show();
  };
  return {
    events: {
      started(job) {
        shares.set(job, 0);
        show();
      },
      progress(job, share) {
        shares.set(job, share);
        show();
      },
      remark: (job, text) => void say(`${title(job)}: ${text}`),
      finished(job, seconds) {
        taken.set(job.arm.name, [...(taken.get(job.arm.name) ?? []), seconds]);
        end(job, `finished in ${duration(seconds)}`);
      },
      failed: (job, error) => end(job, `failed: ${error.split('\n')[0]}`),
    },
    stop: () => live?.stop(),
  };
}

/**
 * From what runs of the same arm have taken here; else from its estimate, else from what any run has taken.
 *
 * @returns undefined when nothing is known yet
 */
export function secondsLeft(
  jobs: readonly Job[],
  {
    shares,
    taken,
    estimates,
    workers,
  }: {
    shares: ReadonlyMap<Job, number>;
    taken: ReadonlyMap<string, readonly number[]>;
    estimates: ReadonlyMap<string, number>;
    workers: number;
  },
): number | undefined {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const all = [...taken.values()].flat();
  let sum = 0;
  let longest = 0;
  for (const job of jobs) {
    const own = taken.get(job.arm.name);
    const whole = own ? mean(own) : (estimates.get(job.arm.name) ?? (all.length > 0 ? mean(all) : undefined));
    if (whole === undefined) return undefined;
    const seconds = whole * (1 - (shares.get(job) ?? 0));
    sum += seconds;
    longest = Math.max(longest, seconds);
  }
  // No number of workers makes it faster than its longest run.
  return Math.max(sum / workers, longest);
}

function title({ arm, seed }: Job): string {
  return `${arm.name} seed ${seed}`;
}
