import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, nearestHint, type RunEstimate } from '@retort/core';
import {
  fullMetric,
  gridCsv,
  gridMarkdown,
  type GridSummary,
  renderGrid,
  runsCsv,
  summarizeGrid,
} from '@retort/report';
import { holderOf } from '../grid-claim.js';
import {
  gridFolder,
  type GridFolder,
  type Job,
  jobsOf,
  prepareGridFolder,
  readFailures,
  readResults,
  replaceFile,
  strayResults,
} from '../grid-jobs.js';
import { estimateArm, type PoolOptions, runPool } from '../grid-pool.js';
import { createGridProgress, secondsLeft } from '../grid-progress.js';
import { type Arm, type GridProtocol, type ProtocolOptions, readProtocol } from '../grid-protocol.js';
import { INTERRUPTED, interruptible } from '../interrupt.js';
import { shipped } from '../shipped.js';
import type { Terminal } from '../terminal.js';
import { bytes, duration, plural, table } from '../text.js';

export interface CompareOptions extends ProtocolOptions {
  folder?: string;
  workers: number;
  /** `--no-estimate` */
  estimate: boolean;
  listJobs?: boolean;
  dryRun?: boolean;
  job?: number;
  summarizeOnly?: boolean;
}

export async function compare(files: string[], options: CompareOptions, terminal: Terminal): Promise<number> {
  const protocol = readProtocol(files, options);
  const folder = gridFolder(options.folder ?? join('runs', `compare-${protocol.name}`));
  const jobs = jobsOf(protocol.arms);
  for (const name of strayResults(folder, jobs)) {
    terminal.note(`${join(folder.path, 'runs', name)} is of no arm and seed of this comparison; left out`);
  }
  // To look at results, neither data nor teachers nor the present defaults are needed.
  if (options.summarizeOnly) return summarize(protocol, folder, jobs, undefined, terminal);

  // Brings every part along.
  const { resolveArm } = await import('../grid-manifest.js');
  const manifests = new Map<string, Record<string, unknown>>();
  for (const arm of protocol.arms) manifests.set(arm.name, await resolveArm(arm));
  const results = readResults(folder, jobs, manifests);
  if (options.listJobs) return listJobs(folder, jobs, terminal);
  const chosen = options.job === undefined ? jobs : [jobNumbered(options.job, jobs)];
  const waiting = chosen.filter(({ id }) => !results.has(id));
  if (options.dryRun) {
    listJobs(folder, jobs, terminal);
    return interruptible(
      () => undefined,
      async (signal) => {
        await estimate(waiting, { folder, all: jobs, workers: options.workers, signal }, terminal);
        return signal.aborted ? INTERRUPTED : 0;
      },
    );
  }

  if (waiting.length > 0) prepareGridFolder(folder);
  const maker = makerOf(folder.path);
  const outcome = await interruptible(
    () => terminal.note('stopping after a checkpoint of each run; Ctrl-C again stops at once'),
    async (signal) => {
      const wanted = options.estimate && options.job === undefined && waiting.length > 0;
      const estimates = wanted
        ? await estimate(waiting, { folder, all: jobs, workers: options.workers, signal }, terminal)
        : new Map<string, number>();
      const bar = process.stderr.isTTY === true && !terminal.quiet;
      const stream = terminal.quiet ? undefined : process.stderr;
      const { workers } = options;
      const progress = stream && createGridProgress({ stream, bar, jobs: waiting, workers, estimates });
      const silent = () => undefined;
      try {
        const { elsewhere } = await runPool(waiting, {
          folder,
          all: jobs,
          workers,
          signal,
          events: progress?.events ?? {
            started: silent,
            progress: silent,
            remark: silent,
            finished: silent,
            failed: silent,
          },
          about: ({ arm, seed }) => ({ arm: arm.name, seed, ...maker, manifest: manifests.get(arm.name) }),
        });
        return { elsewhere, stopped: signal.aborted };
      } finally {
        progress?.stop();
      }
    },
  );
  if (outcome.stopped) {
    // Said even with --quiet: whoever stops a grid wants to know that it can be gone on with.
    process.stderr.write('\ninterrupted; everything is saved. The same command goes on with it.\n');
    return INTERRUPTED;
  }
  for (const job of outcome.elsewhere) {
    const holder = holderOf(folder.claim(job));
    terminal.note(`${job.id}: left to ${holder ? `process ${holder.pid} on ${holder.host}` : 'another process'}`);
  }
  if (options.job === undefined) return summarize(protocol, folder, jobs, manifests, terminal);
  return oneJob(chosen[0], folder, outcome.elsewhere.length > 0, terminal);
}

/** How `--job` ends: by that job alone, so that a cluster can try again what was not done. */
function oneJob(job: Job, folder: GridFolder, isElsewhere: boolean, terminal: Terminal): number {
  const [failure] = readFailures(folder, [job]);
  const state = existsSync(folder.result(job)) ? 'done' : failure ? 'failed' : 'elsewhere';
  if (terminal.json) terminal.print(JSON.stringify({ job: job.number, arm: job.arm.name, seed: job.seed, state }));
  else if (state === 'done') terminal.print(folder.result(job));
  if (failure && state === 'failed') process.stderr.write(`retort: ${job.id} failed: ${failure.error}\n`);
  if (isElsewhere && state !== 'done') process.stderr.write(`retort: ${job.id} is being made by another process\n`);
  return state === 'done' ? 0 : 1;
}

/** Writes the tables and the page, and prints the Markdown. @returns 1 when a run has failed */
function summarize(
  protocol: GridProtocol,
  folder: GridFolder,
  jobs: readonly Job[],
  manifests: ReadonlyMap<string, unknown> | undefined,
  terminal: Terminal,
): number {
  const results = [...readResults(folder, jobs, manifests).values()];
  const failures = readFailures(folder, jobs);
  if (results.length === 0 && failures.length === 0) {
    // Other processes are at all of them.
    if (manifests) return 0;
    throw new InputError(`${folder.path} holds no results of this comparison`, {
      hints: ['leave out --summarize-only to make the runs', 'or name the folder that holds them with --folder'],
    });
  }
  const known = [...new Set(results.flatMap(({ last }) => Object.keys(last)))];
  const metric = fullMetric(protocol.metric ?? usualMetric(known));
  if (results.length > 0 && !known.includes(metric)) {
    throw new InputError(`no run has measured ${metric}; ${nearestHint(metric, known)}`, {
      hints: ['choose with --metric; metrics of the test split need no split before them'],
    });
  }
  const { name, baseline, arms } = protocol;
  const summary = summarizeGrid({
    name,
    metric,
    baseline,
    arms: arms.map((arm) => ({ name: arm.name, about: about(arm, arms), seeds: arm.seeds })),
    results,
    failures,
  });
  mkdirSync(folder.path, { recursive: true });
  const files = {
    'comparison.md': gridMarkdown(summary),
    'comparison.csv': gridCsv(summary),
    'runs.csv': runsCsv(summary),
    'comparison.html': renderGrid(summary),
  };
  for (const [file, text] of Object.entries(files)) replaceFile(join(folder.path, file), text);
  terminal.print(terminal.json ? JSON.stringify(withoutRuns(summary), undefined, 2) : files['comparison.md'].trimEnd());
  for (const { arm, seed, error } of failures) {
    process.stderr.write(`retort: ${arm} seed ${seed} failed: ${error.split('\n')[0]}\n`);
  }
  terminal.note(
    `\n${Object.keys(files)
      .map((file) => join(folder.path, file))
      .join('\n')}`,
  );
  return failures.length > 0 ? 1 : 0;
}

/** Accuracy of what was trained to classify, the return of what was trained to act. */
function usualMetric(known: readonly string[]): string {
  return ['top-1', 'return'].find((name) => known.includes(fullMetric(name))) ?? 'top-1';
}

function withoutRuns({ metric, arms, differences, remarks, grid }: GridSummary): object {
  const { name, baseline, failures } = grid;
  return {
    name,
    metric,
    baseline,
    arms: arms.map(({ runs, ...arm }) => ({ ...arm, n: runs.length })),
    differences,
    failures,
    remarks,
  };
}

/** What makes an arm differ from the others, for people. */
function about({ manifest, settings }: Arm, arms: readonly Arm[]): string {
  const several = new Set(arms.map((arm) => arm.manifest)).size > 1;
  return [...(several ? [manifest] : []), ...settings].join(', ') || 'the manifest as it is';
}

function jobNumbered(number: number, jobs: readonly Job[]): Job {
  if (number < jobs.length) return jobs[number];
  throw new InputError(`--job ${number}: there are jobs 0 to ${jobs.length - 1}`, {
    hints: ['--list-jobs lists them'],
  });
}

function listJobs(folder: GridFolder, jobs: readonly Job[], terminal: Terminal): number {
  const rows = jobs.map((job) => ({ job: job.number, arm: job.arm.name, seed: job.seed, state: stateOf(folder, job) }));
  if (terminal.json) terminal.print(JSON.stringify(rows, undefined, 2));
  else {
    terminal.print(
      table(
        ['job', 'arm', 'seed', 'state'],
        rows.map(({ job, arm, seed, state }) => [String(job), arm, String(seed), state]),
        [0, 2],
      ),
    );
  }
  return 0;
}

function stateOf(folder: GridFolder, job: Job): string {
  if (existsSync(folder.result(job))) return 'done';
  const holder = holderOf(folder.claim(job));
  if (holder) return `running: process ${holder.pid} on ${holder.host}`;
  if (existsSync(folder.failure(job))) return 'failed';
  return existsSync(join(folder.work(job), 'manifest.lock.yaml')) ? 'begun' : 'to do';
}

/** Estimates every arm that has runs to make, one after the other, and tells what they come to. @returns seconds of a run by arm */
async function estimate(
  jobs: readonly Job[],
  options: Pick<PoolOptions, 'folder' | 'all' | 'workers' | 'signal'>,
  terminal: Terminal,
): Promise<Map<string, number>> {
  const { workers, signal } = options;
  const estimates = new Map<Arm, RunEstimate>();
  const arms = [...new Set(jobs.map(({ arm }) => arm))];
  if (arms.length > 0) terminal.note(`estimating ${plural(arms.length, 'arm')} …`);
  for (const arm of arms) {
    if (signal.aborted) break;
    const estimate = await estimateArm(arm, options);
    if (estimate) estimates.set(arm, estimate);
  }
  const seconds = new Map([...estimates].map(([arm, estimate]) => [arm.name, estimate.seconds]));
  if (signal.aborted || arms.length === 0) return seconds;
  const runsOf = (arm: Arm) => jobs.filter((job) => job.arm === arm).length;
  const rows = [...estimates].map(([arm, { seconds: each, memoryBytes }]) => [
    arm.name,
    String(runsOf(arm)),
    duration(each),
    duration(each * runsOf(arm)),
    bytes(memoryBytes),
  ]);
  const later = arms.filter((arm) => !estimates.has(arm)).map(({ name }) => name);
  if (later.length > 0)
    terminal.note(`not estimated, since they go on from runs that are not there yet: ${later.join(', ')}`);
  const total = secondsLeft(jobs, { shares: new Map(), taken: new Map(), estimates: seconds, workers });
  terminal.note(table(['arm', 'runs to make', 'time of one', 'of all', 'tensors'], rows, [1, 2, 3, 4]));
  if (total === undefined) return seconds;
  terminal.note(
    `about ${duration(total)} on this machine with ${plural(workers, 'worker')}${workers > 1 ? ', if they do not slow each other down' : ''}\n`,
  );
  return seconds;
}

/** Who makes the runs: this version, and the commit of the repository it is called in, `+` where files differ from it. */
function makerOf(folder: string): { version: string; commit?: string } {
  const { version } = JSON.parse(readFileSync(shipped('package.json'), 'utf8')) as { version: string };
  const commit = git('rev-parse', 'HEAD');
  if (commit === undefined) return { version };
  // What the comparison itself writes changes nothing about it.
  const status = ['status', '--porcelain', '--untracked-files=no'];
  const changes = git(...status, '--', ':/', `:(exclude)${folder}`) ?? git(...status);
  return { version, commit: changes === '' ? commit : `${commit}+` };
}

/** What git says; undefined without git or a repository. */
function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}
