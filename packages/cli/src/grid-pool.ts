import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, type RunEstimate, RunError } from '@retort/core';
import { claim } from './grid-claim.js';
import { type GridFolder, type Job, jobsNeeded, removeFailure, replaceFile, whyNotReady } from './grid-jobs.js';
import { filledIn } from './grid-placeholders.js';
import type { Arm } from './grid-protocol.js';
import { INTERRUPTED } from './interrupt.js';
import type { Order, Told } from './run-job.js';

/** What a pool tells while it works. */
export interface PoolEvents {
  started(job: Job): void;
  progress(job: Job, share: number): void;
  remark(job: Job, text: string): void;
  finished(job: Job, seconds: number): void;
  failed(job: Job, error: string): void;
}

export interface PoolOptions {
  folder: GridFolder;
  /** All of the grid, those that are done too. */
  all: readonly Job[];
  workers: number;
  signal: AbortSignal;
  events: PoolEvents;
  /** What the result file of a job says besides the results. */
  about(job: Job): Order['about'];
}

/** Jobs that this pool left, because other processes are at them. */
export interface PoolOutcome {
  elsewhere: Job[];
}

/**
 * Makes the runs that have no result file yet, so many at a time, each in a process of its own that writes its file when it is
 * finished. A run that fails leaves its error in `failed/` and ends nothing else. When the signal fires, running ones write
 * checkpoints and no further one is begun.
 */
export async function runPool(jobs: readonly Job[], options: PoolOptions): Promise<PoolOutcome> {
  const waiting = [...jobs];
  const underWay = new Map<Job, Promise<unknown>>();
  const elsewhere: Job[] = [];
  let broken: unknown;
  /** The first job that nothing which is still to be done here has to precede. */
  const ready = () => {
    const undone = [...waiting, ...underWay.keys()];
    const at = waiting.findIndex((job) => jobsNeeded(job, undone).length === 0);
    return at < 0 ? undefined : waiting.splice(at, 1)[0];
  };
  const work = async () => {
    while (waiting.length > 0 && !options.signal.aborted && broken === undefined) {
      const job = ready();
      if (!job) {
        await Promise.race(underWay.values());
        continue;
      }
      const done = runClaimed(job, options).then(
        (isOurs) => void (isOurs || elsewhere.push(job)),
        // Not of the run, whose own failures are noted: the disk is full, or the folder has gone.
        (error: unknown) => (broken = error),
      );
      underWay.set(job, done);
      await done;
      underWay.delete(job);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.workers, jobs.length) }, work));
  if (broken !== undefined) throw broken;
  return { elsewhere };
}

/** @returns whether the job was this pool's to do, or done already */
async function runClaimed(job: Job, options: PoolOptions): Promise<boolean> {
  const { folder, signal, events } = options;
  const lost = new AbortController();
  const release = claim(folder.claim(job), () => {
    events.remark(job, 'another process has taken it over, because this one was held up for long');
    lost.abort();
  });
  if (!release) return false;
  try {
    // Another pool may have finished it since the list was made.
    if (existsSync(folder.result(job))) return true;
    const reason = whyNotReady(job, options.all, folder);
    if (reason !== undefined) {
      replaceFile(folder.failure(job), `${reason}\n`);
      events.failed(job, reason);
      return true;
    }
    events.started(job);
    const began = performance.now();
    const order: Order = {
      task: 'run',
      manifest: job.arm.manifest,
      settings: [
        ...filledIn(job.arm.settings, job.seed, (arm) => runFolderOf(arm, job, options)),
        `seed=${job.seed}`,
        `name=${job.id}`,
        `run.folder=${JSON.stringify(folder.work(job))}`,
      ],
      folder: folder.work(job),
      resultFile: folder.result(job),
      about: options.about(job),
    };
    const ended = await runChild(order, AbortSignal.any([signal, lost.signal]), (told) => {
      if (told.type === 'progress') events.progress(job, told.share);
      if (told.type === 'remark') events.remark(job, told.text);
    });
    if (ended.code === 0) {
      removeFailure(folder, job);
      events.finished(job, (performance.now() - began) / 1000);
    } else if (!signal.aborted && !lost.signal.aborted) {
      const error = errorOf(ended);
      replaceFile(folder.failure(job), `${error}\n`);
      events.failed(job, error);
    }
    return true;
  } finally {
    release();
  }
}

/** Absolute, as settings that name files start from the manifest's folder. */
function runFolderOf(arm: string, job: Job, { folder, all }: Pick<PoolOptions, 'folder' | 'all'>): string {
  return resolve(folder.work(all.find((other) => other.arm.name === arm && other.seed === job.seed)!));
}

/**
 * What a run of the arm costs on this machine, from a few steps timed in a process of its own.
 *
 * @throws InputError for what the user can mend, such as a teacher that is not there; RunError for anything else
 */
export async function estimateArm(
  arm: Arm,
  { folder, all, signal }: Pick<PoolOptions, 'folder' | 'all' | 'signal'>,
): Promise<RunEstimate | undefined> {
  let estimate: RunEstimate | undefined;
  const [job] = all.filter((each) => each.arm === arm && whyNotReady(each, all, folder) === undefined);
  if (!job) return undefined;
  const about = { arm: arm.name, seed: job.seed };
  const settings = [
    ...filledIn(arm.settings, job.seed, (name) => runFolderOf(name, job, { folder, all })),
    `seed=${job.seed}`,
  ];
  const ended = await runChild(
    { task: 'estimate', manifest: arm.manifest, settings, folder: '', resultFile: '', about },
    signal,
    (told) => {
      if (told.type === 'estimate') estimate = told.estimate;
    },
  );
  if (ended.code === 0 || signal.aborted) return estimate;
  const [message, ...hints] = errorOf(ended)
    .split('\n')
    .map((line) => line.trim());
  const Fault = ended.code === 2 ? InputError : RunError;
  throw new Fault(`arm ${arm.name}: ${message}`, { hints });
}

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last of what it wrote there. */
  stderr: string;
}

/** Processes of runs, which end with this one. */
const running = new Set<ChildProcess>();

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Runs a job's process to its end; it is interrupted when the signal fires. */
function runChild(order: Order, signal: AbortSignal, told: (told: Told) => void): Promise<Ended> {
  return new Promise((settle, reject) => {
    const script = fileURLToPath(new URL('./run-job.js', import.meta.url));
    // A process group of its own, so that Ctrl-C reaches it through us and once only.
    const child = spawn(process.execPath, [script, JSON.stringify(order)], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    if (running.size === 0) process.on('exit', killAll);
    running.add(child);
    const interrupt = () => void child.kill('SIGINT');
    let stderr = '';
    child.stderr!.on('data', (text: Buffer) => (stderr = (stderr + text.toString()).slice(-4000)));
    child.on('message', (message) => told(message as Told));
    if (signal.aborted) interrupt();
    signal.addEventListener('abort', interrupt);
    child.on('error', reject);
    child.on('close', (code, endedBy) => {
      signal.removeEventListener('abort', interrupt);
      running.delete(child);
      if (running.size === 0) process.off('exit', killAll);
      settle({ code, signal: endedBy, stderr });
    });
  });
}

function errorOf({ code, signal, stderr }: Ended): string {
  const lines = stderr.trim().split('\n');
  const start = lines.findIndex((line) => line.startsWith('retort: '));
  // A process that could not even start says where first, and what further down.
  const what = lines.filter((line) => start < 0 && /^\w*Error\b/.test(line)).slice(0, 1);
  const said = [...what, ...lines.slice(Math.max(0, start))].join('\n').replace(/^retort: /, '');
  if (signal)
    return [`its process was ended by ${signal}${signal === 'SIGKILL' ? ', perhaps for want of memory' : ''}`, said]
      .join('\n')
      .trim();
  if (code === INTERRUPTED) return 'it was interrupted, but not from here';
  return said || `its process failed with exit code ${code}`;
}
