import { z } from 'zod';
import type { Split } from './batch.js';
import type { Checkpoints } from './checkpoint.js';
import { stateBytes } from './checkpoint.js';
import type { RunEvent } from './events.js';
import type { StateTree } from './host-tensor.js';
import type { ResolvedManifest } from './manifest.js';
import type { MetricValue } from './metric.js';
import type { TrainingOptions, TrainingResult } from './trainer.js';

/** Options of trainers that evaluate between epochs, for a trainer's own. */
export const selectionOptions = {
  evaluateEvery: z.int().positive().default(1).describe('Epochs between two evaluations on the validation split.'),
  select: z
    .string()
    .default('top-1')
    .describe('The metric by which the best student is chosen on the validation split.'),
  selectBy: z.enum(['highest', 'lowest']).default('highest').describe('Which values of that metric are better.'),
  earlyStopping: z
    .strictObject({ patience: z.int().positive().describe('Evaluations without a better value before the run ends.') })
    .optional()
    .describe('Ends a run that no longer improves; without it all epochs are run.'),
};

type Selection = z.output<z.ZodObject<typeof selectionOptions>>;
type Numbers = Record<string, number>;
type Event<T extends RunEvent['type']> = Extract<RunEvent, { type: T }>;

/** What a trainer brings to {@link trainInLoop}: how it steps, evaluates and saves. Steps are counted from 0 over the whole run. */
export interface TrainingLoop {
  manifest: ResolvedManifest;
  selection: Selection;
  epochs: number;
  stepsPerEpoch: number;
  /** Train images of an epoch, or whatever `about.unit` says. */
  images: number;
  /** For people who read the log. */
  about: Pick<Event<'run-start'>, 'batchSize' | 'unit' | 'parameters' | 'classes' | 'teachers'>;
  /** The first epoch whose student may be the best one; 0 if not given. */
  selectFrom?: number;
  /** Before the first step of a new run. */
  prepare(): Promise<void>;
  /** One training step. @returns images seen, and numbers to be logged at once */
  step(step: number): Promise<{ images: number; report?: Numbers }>;
  learningRate(step: number): number;
  /** Means of the steps since the last call; undefined when there were none. @throws RunError when a number was not finite */
  readSteps(): Promise<Numbers | undefined>;
  /** After the last step of an epoch, before it is evaluated. @returns what the log tells of it */
  endEpoch(epoch: number): Promise<Pick<Event<'epoch'>, 'weights' | 'weightsByClass'> | undefined>;
  /** Metrics of the student as it is; nothing for an empty split. */
  evaluate(split: Split, which: 'current' | 'last' | 'best'): Promise<Record<string, MetricValue>>;
  /** Runs `body` while the student is what is evaluated and saved, such as its average. */
  asEvaluated<T>(body: () => Promise<T>): Promise<T>;
  /** The student's weights, to come back to; all that changes is in `save`. */
  readStudent(): Promise<StateTree>;
  writeStudent(weights: StateTree): void;
  /** Writes the student into a folder. */
  saveStudent(folder: string): Promise<unknown>;
  /** Everything that changes while the run goes. */
  save(): Promise<Record<string, StateTree>>;
  load(state: Record<string, StateTree>): Promise<void> | void;
  /** Waits for what is under way, when the run ends whichever way. */
  drain(): Promise<void>;
}

/** The best student so far, by the validation split. */
interface Best {
  value: number;
  epoch: number;
  /** Evaluations since. */
  age: number;
  weights: StateTree;
}

interface Progress {
  /** Steps done. */
  step: number;
  best?: Best;
  /** Seconds of training in the epoch under way, before an interruption. */
  epochSeconds: number;
}

/** Trains from the start or from a checkpoint: epochs of steps, evaluations between them, checkpoints, the last and the best student. */
export async function trainInLoop(loop: TrainingLoop, options: TrainingOptions): Promise<TrainingResult> {
  const { manifest, epochs, stepsPerEpoch } = loop;
  const { emit, signal, checkpoints } = options;
  const every = parseInterval(manifest.run.checkpoint.every, stepsPerEpoch);
  const totalSteps = epochs * stepsPerEpoch;
  const began = performance.now();

  const progress: Progress = { step: 0, epochSeconds: 0 };
  if (options.resumeFrom) await restore(loop, progress, options.resumeFrom);
  else await loop.prepare();
  emit({
    type: 'run-start',
    name: manifest.name,
    epochs,
    stepsPerEpoch,
    ...loop.about,
    ...(options.resumeFrom && { resumedAt: { epoch: Math.floor(progress.step / stepsPerEpoch), step: progress.step } }),
  });
  const bytes = stateBytes(await snapshot(loop, progress));
  emit({
    type: 'info',
    message: `checkpoints: every ${manifest.run.checkpoint.every}, the last ${manifest.run.checkpoint.keep} kept, about ${(bytes / 2 ** 20).toFixed(1)} MB each before the agent's memory`,
  });
  const save = async () => {
    // Reading first: what is not finite must not become a checkpoint.
    await logSteps(loop, progress.step - 1, emit);
    await writeCheckpoint(loop, progress, checkpoints, emit);
  };

  const patience = loop.selection.earlyStopping?.patience ?? Infinity;
  const stopsEarly = () => progress.step % stepsPerEpoch === 0 && (progress.best?.age ?? 0) >= patience;
  let status: TrainingResult['status'] = 'finished';
  let epochStart = performance.now();
  try {
    while (progress.step < totalSteps && !stopsEarly()) {
      const { step } = progress;
      const [epoch, stepInEpoch] = [Math.floor(step / stepsPerEpoch), step % stepsPerEpoch];
      const { images, report } = await loop.step(step);
      progress.step = step + 1;
      emit({ type: 'progress', epoch, step, stepInEpoch, images });
      if (report) emit({ type: 'step', epoch, step, learningRate: loop.learningRate(step), values: report });
      if ((step + 1) % manifest.run.logEvery === 0) await logSteps(loop, step, emit);

      if (stepInEpoch === stepsPerEpoch - 1) {
        await logSteps(loop, step, emit);
        const seconds = progress.epochSeconds + (performance.now() - epochStart) / 1000;
        await endEpoch(loop, progress, epoch, seconds, emit);
        progress.epochSeconds = 0;
        epochStart = performance.now();
      }
      const isLast = step + 1 === totalSteps || stopsEarly();
      if ((step + 1) % every === 0 || isLast) await save();
      // Lets signals and worker messages in; awaiting settled promises alone would not.
      await new Promise(setImmediate);
      if (signal.aborted && !isLast) {
        progress.epochSeconds += (performance.now() - epochStart) / 1000;
        if ((step + 1) % every !== 0) await save();
        status = 'interrupted';
        break;
      }
    }
  } finally {
    await loop.drain();
  }
  if (status === 'finished' && stopsEarly()) {
    const { select } = loop.selection;
    emit({ type: 'info', message: `stopped early: ${patience} evaluations without a better ${select}` });
  }
  const results = status === 'finished' ? await loop.asEvaluated(() => finish(loop, progress, options)) : {};
  emit({ type: 'run-end', status, seconds: (performance.now() - began) / 1000, results });
  return { status, results };
}

async function logSteps(loop: TrainingLoop, step: number, emit: TrainingOptions['emit']): Promise<void> {
  const values = await loop.readSteps();
  if (!values) return;
  const epoch = Math.floor(step / loop.stepsPerEpoch);
  emit({ type: 'step', epoch, step, learningRate: loop.learningRate(step), values });
}

async function endEpoch(
  loop: TrainingLoop,
  progress: Progress,
  epoch: number,
  seconds: number,
  emit: TrainingOptions['emit'],
): Promise<void> {
  const { images, selection, epochs } = loop;
  const step = progress.step - 1;
  const weights = await loop.endEpoch(epoch);
  emit({ type: 'epoch', epoch, step, seconds, imagesPerSecond: images / seconds, ...weights });
  if ((epoch + 1) % selection.evaluateEvery !== 0 && epoch + 1 !== epochs) return;
  await loop.asEvaluated(() => chooseBest(loop, progress, epoch, emit));
}

/** Evaluates the student on the validation split and keeps it if it is the best so far. */
async function chooseBest(
  loop: TrainingLoop,
  progress: Progress,
  epoch: number,
  emit: TrainingOptions['emit'],
): Promise<void> {
  const { select, selectBy } = loop.selection;
  const values = await loop.evaluate('validation', 'current');
  const value = values[select] as number | undefined;
  if (value === undefined) return;
  emit({ type: 'evaluation', epoch, step: progress.step - 1, split: 'validation', student: 'current', values });
  if (epoch < (loop.selectFrom ?? 0)) return;
  const { best } = progress;
  if (!best || (selectBy === 'highest' ? value > best.value : value < best.value)) {
    progress.best = { value, epoch, age: 0, weights: await loop.readStudent() };
  } else {
    best.age++;
  }
}

/** Evaluates and saves the last and the best student. */
async function finish(
  loop: TrainingLoop,
  { best, step }: Progress,
  { emit, folder }: TrainingOptions,
): Promise<TrainingResult['results']> {
  const epoch = Math.floor((step - 1) / loop.stepsPerEpoch);
  const results: TrainingResult['results'] = {};
  const saveStudent = (which: 'last' | 'best') => loop.saveStudent(`${folder.path}/student/${which}`);
  const finishOne = async (which: 'last' | 'best') => {
    const collected: Record<string, MetricValue> = { epoch: which === 'best' ? best!.epoch : epoch };
    for (const split of ['validation', 'test'] as const) {
      const values = await loop.evaluate(split, which);
      if (Object.keys(values).length === 0) continue;
      emit({ type: 'evaluation', epoch, step: step - 1, split, student: which, values });
      for (const [key, value] of Object.entries(values)) collected[`${split}/${key}`] = value;
    }
    results[which] = collected;
    await saveStudent(which);
  };
  await finishOne('last');
  if (best?.epoch === epoch) {
    results.best = results.last;
    await saveStudent('best');
  } else if (best) {
    const last = await loop.readStudent();
    loop.writeStudent(best.weights);
    await finishOne('best');
    loop.writeStudent(last);
  }
  return results;
}

async function snapshot(loop: TrainingLoop, { step, best, epochSeconds }: Progress): Promise<StateTree> {
  return { ...(await loop.save()), step, epochSeconds, best: best ? { ...best } : null };
}

async function restore(loop: TrainingLoop, progress: Progress, saved: StateTree): Promise<void> {
  const { step, epochSeconds, best, ...state } = saved as Record<string, StateTree>;
  await loop.load(state);
  progress.step = step as number;
  progress.epochSeconds = epochSeconds as number;
  progress.best = (best as unknown as Best | null) ?? undefined;
}

async function writeCheckpoint(
  loop: TrainingLoop,
  progress: Progress,
  checkpoints: Checkpoints,
  emit: TrainingOptions['emit'],
): Promise<void> {
  const { path, bytes } = checkpoints.write(progress.step, await snapshot(loop, progress));
  const step = progress.step - 1;
  emit({ type: 'checkpoint', epoch: Math.floor(step / loop.stepsPerEpoch), step, path, bytes });
}

/** Steps between two checkpoints. */
function parseInterval(text: string, stepsPerEpoch: number): number {
  const [count, unit] = text.split(' ');
  return Number(count) * (unit.startsWith('epoch') ? stepsPerEpoch : 1);
}
