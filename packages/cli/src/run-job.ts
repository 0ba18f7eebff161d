/**
 * Started by `retort compare` in a process of its own for each run: node run-job.js ORDER, the order as JSON. Tells its parent
 * how far it is, writes the result file, and ends with the exit code of `retort train`.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import {
  composeRun,
  type Emit,
  InputError,
  loadManifest,
  type LoggedEvent,
  type MetricValue,
  readLock,
  readLog,
  resume,
  run,
  type RunEstimate,
  type RunOutcome,
  writtenManifest,
  writeWhole,
} from '@retort/core';
import { type GridResult, isScore, seenByEpoch } from '@retort/report';
import { parse } from 'yaml';
import { describeFailure } from './failure.js';
import { comparable } from './grid-manifest.js';
import { manifestDifferences } from './manifest-differences.js';
import { INTERRUPTED, interruptible } from './interrupt.js';
import { plugins } from './plugins.js';

/** What is to be done. */
export interface Order {
  task: 'estimate' | 'run';
  manifest: string;
  settings: string[];
  /** The run folder. */
  folder: string;
  resultFile: string;
  /** What the result file says besides the results. */
  about: Pick<GridResult, 'arm' | 'seed' | 'version' | 'commit' | 'manifest'>;
}

/** What the parent is told. */
export type Told =
  | { type: 'estimate'; estimate: RunEstimate }
  /** Share of the run that is done. */
  | { type: 'progress'; share: number }
  | { type: 'remark'; text: string };

const tell = (told: Told) => void (process.connected && process.send?.(told));

async function main(order: Order): Promise<number> {
  // A parent that was killed takes no result; a checkpoint is worth having.
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  if (order.task === 'estimate') return estimate(order);
  const outcome = await interruptible(
    () => undefined,
    (signal) => train(order, signal),
  );
  if (outcome.status === 'interrupted') return INTERRUPTED;
  writeWhole(order.resultFile, resultText(resultOf(order, outcome)));
  rmSync(join(order.folder, 'checkpoints'), { recursive: true, force: true });
  return 0;
}

async function estimate({ manifest, settings }: Order): Promise<number> {
  const composed = await composeRun(manifest, { plugins, set: settings });
  try {
    tell({ type: 'estimate', estimate: await composed.trainer.estimate() });
    return 0;
  } finally {
    await composed.dispose();
  }
}

async function train(order: Order, signal: AbortSignal): Promise<RunOutcome> {
  const { folder, manifest, settings } = order;
  const options = { plugins, signal, onEvent: shareOf((share) => tell({ type: 'progress', share })) };
  const begin = () => {
    writeMakers(order, [commitOf(order)]);
    return patiently(() => run(manifest, { ...options, set: settings, overwrite: true }), signal);
  };
  if (!existsSync(join(folder, 'manifest.lock.yaml'))) return begin();
  const reason = await whyNotResumed(order);
  if (reason !== undefined) {
    tell({ type: 'remark', text: `begun again, not gone on with: ${reason}` });
    return begin();
  }
  try {
    return await patiently(() => resume(folder, options), signal);
  } catch (error) {
    // Its data, a teacher or its backend is another one by now, or it was begun on a machine that had them elsewhere.
    if (!(error instanceof InputError) || isInUse(error)) throw error;
    tell({ type: 'remark', text: `begun again, not gone on with: ${error.message}` });
    return begin();
  }
}

/** What speaks against going on with a run that was begun. */
async function whyNotResumed(order: Order): Promise<string | undefined> {
  const { version, commits } = readMakers(order);
  if (version !== order.about.version) return `it was begun by version ${version}, this is ${order.about.version}`;
  const { manifest } = await loadManifest(order.manifest, { plugins, set: order.settings });
  const then = comparable(parse(readLock(order.folder)) as Record<string, unknown>);
  const [difference] = manifestDifferences(then, comparable(writtenManifest(manifest)));
  if (difference) return `its manifest was another one, ${difference}`;
  const [before, commit] = [commits.at(-1), commitOf(order)];
  if (before !== commit) {
    tell({ type: 'remark', text: `begun at ${before}, gone on with at ${commit}; its result will say so` });
    writeMakers(order, [...commits, commit]);
  }
  return undefined;
}

interface Makers {
  version?: string;
  /** In turn, of the processes that have worked on it. */
  commits: string[];
}

function commitOf({ about }: Order): string {
  return about.commit ?? 'no commit';
}

/** Beside the run folder, which is made later. */
function makersFile({ folder }: Order): string {
  return `${folder}.made-by.json`;
}

function readMakers(order: Order): Makers {
  if (!existsSync(makersFile(order))) return { commits: [] };
  return JSON.parse(readFileSync(makersFile(order), 'utf8')) as Makers;
}

function writeMakers(order: Order, commits: Makers['commits']): void {
  writeWhole(makersFile(order), JSON.stringify({ version: order.about.version, commits } satisfies Makers));
}

/** The process of a pool that was killed may still be writing its last checkpoint. */
async function patiently<T>(body: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let second = 0; ; second++) {
    try {
      return await body();
    } catch (error) {
      if (!isInUse(error) || second >= 60 || signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof InputError && error.message.includes('is in use by process');
}

/** Tells the share of the steps that are done, a hundred times at most. */
function shareOf(told: (share: number) => void): Emit {
  let steps = 0;
  let percent = -1;
  return (event) => {
    if (event.type === 'run-start') steps = event.epochs * event.stepsPerEpoch;
    if (event.type === 'warning') tell({ type: 'remark', text: `warning: ${event.message}` });
    if (event.type !== 'progress' || steps === 0) return;
    const now = Math.floor((100 * (event.step + 1)) / steps);
    if (now !== percent) told(now / 100);
    percent = now;
  };
}

function resultOf(order: Order, { results }: RunOutcome): GridResult {
  const { folder, about } = order;
  const log = readLog(folder);
  const epochs = eventsOf(log, 'epoch');
  const { locked } = parse(readLock(folder)) as { locked: { threads?: number; fingerprints: Record<string, string> } };
  return {
    ...about,
    commit: about.commit && readMakers(order).commits.join(', then '),
    machine: `${cpus()[0]?.model ?? process.arch}, node ${process.version}`,
    backend: eventsOf(log, 'backend').at(-1)?.name ?? 'unknown',
    threads: locked.threads,
    seconds: Number(epochs.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(1)),
    memoryBytes: process.resourceUsage().maxRSS * 1024,
    last: scalars(results.last),
    best: results.best && scalars(results.best),
    ...validationCurve(log),
    weightsByEpoch: weightCurves(epochs),
    fingerprints: locked.fingerprints,
  };
}

/** JSON, its lists of numbers a line each. */
function resultText(result: GridResult): string {
  const text = JSON.stringify(result, undefined, 1);
  return `${text.replace(/\[\n[^[\]{}"]*\n *\]/g, (list) => list.replace(/\n */g, '').replaceAll(',', ', '))}\n`;
}

function scalars(values: Record<string, MetricValue>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

/**
 * The student in training, by epoch counted from 1, and what it had seen by then where that is no images. Of metrics by teacher the
 * end is enough; scores by environment are kept.
 */
function validationCurve(log: readonly LoggedEvent[]): Pick<GridResult, 'validation' | 'seen'> {
  const curve = eventsOf(log, 'evaluation').filter(
    ({ split, student }) => split === 'validation' && student === 'current',
  );
  if (curve.length === 0) return {};
  const names = Object.keys(scalars(curve[0].values)).filter((name) => !name.includes('/') || isScore(name));
  const unit = eventsOf(log, 'run-start').at(-1)?.unit;
  const seen = seenByEpoch(eventsOf(log, 'epoch'));
  return {
    validation: {
      epoch: curve.map(({ epoch }) => epoch + 1),
      ...Object.fromEntries(names.map((name) => [name, curve.map(({ values }) => short(values[name] as number))])),
    },
    ...(unit !== undefined && { seen: { unit, counts: curve.map(({ epoch }) => seen[epoch]) } }),
  };
}

function eventsOf<T extends LoggedEvent['type']>(
  log: readonly LoggedEvent[],
  type: T,
): Extract<LoggedEvent, { type: T }>[] {
  return log.filter((event): event is Extract<LoggedEvent, { type: T }> => event.type === type);
}

function weightCurves(epochs: Extract<LoggedEvent, { type: 'epoch' }>[]): GridResult['weightsByEpoch'] {
  const last = epochs.at(-1)?.weights;
  if (!last) return undefined;
  return Object.fromEntries(
    Object.entries(last).map(([head, weights]) => [
      head,
      Object.fromEntries(
        Object.keys(weights).map((teacher) => [
          teacher,
          epochs.map((epoch) => short(epoch.weights?.[head]?.[teacher])),
        ]),
      ),
    ]),
  );
}

/** Five significant digits are more than a curve shows. */
function short(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
}

try {
  process.exitCode = await main(JSON.parse(process.argv[2]) as Order);
} catch (error) {
  const { text, exitCode } = describeFailure(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
} finally {
  // Nothing more is told, and an open channel would keep the process.
  process.removeAllListeners('disconnect');
  if (process.connected) process.disconnect();
}
