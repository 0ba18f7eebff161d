import {
  type Batch,
  type Checkpoints,
  type HostTensor,
  type MetricValue,
  type NetworkOutput,
  outputTensors,
  type RunEstimate,
  type Seeds,
  type StateTree,
  type TrainingOptions,
  type TrainingResult,
  type Weighting,
} from '@retort/core';
import { type BoundOptimizer, loadVariables, saveLayersModel, saveVariables, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { StepInputs } from './distillation-step.js';
import { evaluateStudent } from './evaluate-student.js';
import type { MtkdRun } from './mtkd.js';
import type { StepLog } from './step-log.js';

/** What changes while a run goes; all of it is in a checkpoint. */
export interface TrainingState {
  trainable: Record<string, tf.Variable>;
  frozen: Record<string, tf.Variable>;
  optimizer: BoundOptimizer;
  log: StepLog;
  weighting: Weighting;
  seeds: Seeds;
  runStep(inputs: StepInputs): TensorMap;
}

/** The best student so far, by the validation split. */
interface Best {
  value: number;
  epoch: number;
  /** Evaluations since. */
  age: number;
  weights: Record<string, HostTensor>;
}

/** Where the loop is and what it remembers beside the tensors. */
interface Progress {
  /** Steps done. */
  step: number;
  best?: Best;
  /** Seconds of training in the epoch under way, before an interruption. */
  epochSeconds: number;
}

/** Trains from the start or from a checkpoint. */
export async function train(run: MtkdRun, options: TrainingOptions): Promise<TrainingResult> {
  const { context, dataset, stepsPerEpoch, state, student } = run;
  const { manifest } = context;
  const { emit, signal, folder, checkpoints } = options;
  const { epochs } = run.options;
  const every = parseInterval(manifest.run.checkpoint.every, stepsPerEpoch);
  const totalSteps = epochs * stepsPerEpoch;
  const began = performance.now();

  const progress: Progress = { step: 0, epochSeconds: 0 };
  if (options.resumeFrom) await restore(run, progress, options.resumeFrom);
  emit({
    type: 'run-start',
    name: manifest.name,
    epochs,
    stepsPerEpoch,
    batchSize: dataset.batchSize,
    parameters: student.parameters,
    classes: dataset.classes,
    teachers: run.teachers.map(({ id }) => id),
    ...(options.resumeFrom && { resumedAt: { epoch: Math.floor(progress.step / stepsPerEpoch), step: progress.step } }),
  });
  const save = async () => {
    // Reading first: what is not finite must not become a checkpoint.
    await logSteps(run, progress.step - 1, emit);
    await writeCheckpoint(run, progress, checkpoints, emit);
  };

  const feed = createFeed(run, totalSteps);
  let status: TrainingResult['status'] = 'finished';
  let epochStart = performance.now();
  try {
    while (progress.step < totalSteps) {
      const { step } = progress;
      const [epoch, stepInEpoch] = [Math.floor(step / stepsPerEpoch), step % stepsPerEpoch];
      const lastInEpoch = stepInEpoch === stepsPerEpoch - 1;
      const { batch, teachers } = await feed.take(step);
      const experience = state.runStep({ batch, teachers, update: step + 1, learningRate: learningRateAt(run, step) });
      tf.dispose(teachers.flatMap(outputTensors));
      const report = state.weighting.afterStep?.(experience, { lastInEpoch });
      tf.dispose(experience);
      progress.step = step + 1;
      emit({ type: 'progress', epoch, step, stepInEpoch, images: batch.size });
      if (report) await logAgent(report, step, epoch, run, emit);
      if ((step + 1) % manifest.run.logEvery === 0) await logSteps(run, step, emit);

      if (lastInEpoch) {
        await logSteps(run, step, emit);
        const seconds = progress.epochSeconds + (performance.now() - epochStart) / 1000;
        await endEpoch(run, progress, epoch, seconds, emit);
        progress.epochSeconds = 0;
        epochStart = performance.now();
      }
      const patience = run.options.earlyStopping?.patience;
      const stopsEarly = lastInEpoch && patience !== undefined && (progress.best?.age ?? 0) >= patience;
      if ((step + 1) % every === 0 || step + 1 === totalSteps || stopsEarly) await save();
      if (stopsEarly) {
        emit({
          type: 'info',
          message: `stopped early: ${patience} evaluations without a better ${run.options.select}`,
        });
        break;
      }
      // Lets signals and worker messages in; awaiting settled promises alone would not.
      await new Promise(setImmediate);
      if (signal.aborted && step + 1 < totalSteps) {
        progress.epochSeconds += (performance.now() - epochStart) / 1000;
        if ((step + 1) % every !== 0) await save();
        status = 'interrupted';
        break;
      }
    }
  } finally {
    await feed.drain();
  }
  const results = status === 'finished' ? await finish(run, progress, folder.path, emit) : {};
  emit({ type: 'run-end', status, seconds: (performance.now() - began) / 1000, results });
  return { status, results };
}

function learningRateAt({ schedule, learningRate }: MtkdRun, step: number): number {
  return learningRate * schedule(step);
}

/** Batches with their teachers' outputs, one step ahead: loaders and teachers' workers are busy while the student trains. */
function createFeed({ dataset, teachers, stepsPerEpoch }: MtkdRun, totalSteps: number) {
  type Fed = { batch: Batch; teachers: NetworkOutput[] };
  let ahead: { step: number; fed: Promise<Fed> } | undefined;
  const load = async (step: number): Promise<Fed> => {
    const batch = await dataset.batch({
      split: 'train',
      epoch: Math.floor(step / stepsPerEpoch),
      step: step % stepsPerEpoch,
    });
    return { batch, teachers: await Promise.all(teachers.map((teacher) => teacher.infer(batch))) };
  };
  const start = (step: number) => {
    const fed = load(step);
    fed.catch(() => undefined); // reported when it is taken
    return { step, fed };
  };
  return {
    async take(step: number): Promise<Fed> {
      const fed = await (ahead?.step === step ? ahead : start(step)).fed;
      ahead = step + 1 < totalSteps ? start(step + 1) : undefined;
      return fed;
    },
    /** Waits for what is under way and drops it. */
    async drain(): Promise<void> {
      const fed = await ahead?.fed.catch(() => undefined);
      ahead = undefined;
      if (fed) tf.dispose(fed.teachers.flatMap(outputTensors));
    },
  };
}

async function logSteps(run: MtkdRun, step: number, emit: TrainingOptions['emit']): Promise<void> {
  const read = await run.state.log.readSteps();
  if (!read) return;
  emit({
    type: 'step',
    epoch: Math.floor(step / run.stepsPerEpoch),
    step,
    learningRate: learningRateAt(run, step),
    values: read.values,
  });
}

async function logAgent(
  report: TensorMap,
  step: number,
  epoch: number,
  run: MtkdRun,
  emit: TrainingOptions['emit'],
): Promise<void> {
  const values = Object.fromEntries(
    await Promise.all(
      Object.entries(report).map(async ([key, scalar]) => [`agent/${key}`, (await scalar.data())[0]] as const),
    ),
  );
  tf.dispose(report);
  emit({ type: 'step', epoch, step, learningRate: learningRateAt(run, step), values });
}

async function endEpoch(
  run: MtkdRun,
  progress: Progress,
  epoch: number,
  seconds: number,
  emit: TrainingOptions['emit'],
): Promise<void> {
  const { dataset, options, student, state } = run;
  const step = progress.step - 1;
  const weights = await state.log.readEpoch();
  emit({
    type: 'epoch',
    epoch,
    step,
    seconds,
    imagesPerSecond: dataset.sizes.train / seconds,
    values: {},
    ...weights,
  });
  if ((epoch + 1) % options.evaluateEvery !== 0 && epoch + 1 !== options.epochs) return;
  const values = await evaluateStudent(student, dataset, 'validation', await run.createMetrics(false));
  const value = values[options.select] as number | undefined;
  if (value === undefined) return;
  emit({ type: 'evaluation', epoch, step, split: 'validation', student: 'current', values });
  const better =
    !progress.best || (options.selectBy === 'highest' ? value > progress.best.value : value < progress.best.value);
  if (better) {
    progress.best = { value, epoch, age: 0, weights: await saveVariables(studentVariables(run)) };
  } else {
    progress.best!.age++;
  }
}

/** Evaluates and saves the last and the best student. */
async function finish(
  run: MtkdRun,
  { best, step }: Progress,
  folder: string,
  emit: TrainingOptions['emit'],
): Promise<TrainingResult['results']> {
  const { dataset, student, teachers, terms, weighting } = run;
  const epoch = Math.floor((step - 1) / run.stepsPerEpoch);
  const results: TrainingResult['results'] = {};
  const finishOne = async (which: 'last' | 'best') => {
    const collected: Record<string, MetricValue> = { epoch: which === 'best' ? best!.epoch : epoch };
    for (const split of ['validation', 'test'] as const) {
      const withTeachers = teachers.length > 0;
      const values = await evaluateStudent(
        student,
        dataset,
        split,
        await run.createMetrics(withTeachers),
        withTeachers ? { teachers, terms, weighting } : undefined,
      );
      if (Object.keys(values).length === 0) continue;
      emit({ type: 'evaluation', epoch, step: step - 1, split, student: which, values });
      for (const [key, value] of Object.entries(values)) collected[`${split}/${key}`] = value;
    }
    results[which] = collected;
    await saveStudent(which);
  };
  const saveStudent = (which: 'last' | 'best') =>
    saveLayersModel(student.model, `${folder}/student/${which}`, {
      metadata: {
        classes: dataset.classes,
        outputs: Object.keys(student.offers),
        imageShape: dataset.imageShape,
        input: 'pixels in [0, 1]',
        run: run.context.manifest.name,
      },
    });
  await finishOne('last');
  if (best?.epoch === epoch) {
    results.best = results.last;
    await saveStudent('best');
  } else if (best) {
    const variables = studentVariables(run);
    const last = await saveVariables(variables);
    loadVariables(variables, best.weights, 'best student');
    await finishOne('best');
    loadVariables(variables, last, 'last student');
  }
  return results;
}

function studentVariables({ state: { trainable, frozen } }: MtkdRun): Record<string, tf.Variable> {
  return Object.fromEntries(Object.entries({ ...trainable, ...frozen }).filter(([key]) => key.startsWith('student/')));
}

async function snapshot({ state }: MtkdRun, { step, best, epochSeconds }: Progress): Promise<StateTree> {
  return {
    step,
    epochSeconds,
    best: best ? { ...best } : null,
    parameters: await saveVariables({ ...state.trainable, ...state.frozen }),
    optimizer: await state.optimizer.save(),
    log: await state.log.save(),
    weighting: (await state.weighting.save?.()) ?? null,
    seeds: state.seeds.save(),
  } as StateTree;
}

async function restore({ state }: MtkdRun, progress: Progress, saved: StateTree): Promise<void> {
  const tree = saved as Record<string, StateTree>;
  loadVariables({ ...state.trainable, ...state.frozen }, tree.parameters, 'checkpoint');
  state.optimizer.load(tree.optimizer);
  state.log.load(tree.log);
  await state.weighting.load?.(tree.weighting);
  state.seeds.load(tree.seeds as Record<string, number[]>);
  progress.step = tree.step as number;
  progress.epochSeconds = tree.epochSeconds as number;
  progress.best = (tree.best as unknown as Best | null) ?? undefined;
}

async function writeCheckpoint(
  run: MtkdRun,
  progress: Progress,
  checkpoints: Checkpoints,
  emit: TrainingOptions['emit'],
): Promise<void> {
  const { path, bytes } = checkpoints.write(progress.step, await snapshot(run, progress));
  emit({
    type: 'checkpoint',
    epoch: Math.floor((progress.step - 1) / run.stepsPerEpoch),
    step: progress.step - 1,
    path,
    bytes,
  });
}

/** Steps between two checkpoints. */
function parseInterval(text: string, stepsPerEpoch: number): number {
  const [count, unit] = text.split(' ');
  return Number(count) * (unit.startsWith('epoch') ? stepsPerEpoch : 1);
}

/** Times a few steps, and puts everything back. */
export async function estimateRun(run: MtkdRun, bytesOf: (state: StateTree) => number): Promise<RunEstimate> {
  const { state, stepsPerEpoch, student, options, dataset } = run;
  const before = await snapshot(run, { step: 0, epochSeconds: 0 });
  const feed = createFeed(run, Math.min(stepsPerEpoch, 6));
  const times: number[] = [];
  let memoryBytes = 0;
  for (let step = 0; step < Math.min(stepsPerEpoch, 6); step++) {
    const began = performance.now();
    const { batch, teachers } = await feed.take(step);
    const experience = state.runStep({ batch, teachers, update: step + 1, learningRate: learningRateAt(run, step) });
    memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss);
    await Object.values(state.log.variables)[0].data();
    tf.dispose([...teachers.flatMap(outputTensors), experience] as tf.TensorContainer);
    times.push((performance.now() - began) / 1000);
  }
  await feed.drain();
  await restore(run, { step: 0, epochSeconds: 0 }, before);
  const evaluationSteps = Math.ceil(dataset.sizes.validation / dataset.batchSize) / options.evaluateEvery;
  // The first steps warm caches up. A forward pass is about a third of a step.
  const perStep = Math.min(...times);
  return {
    parameters: student.parameters,
    macs: student.macs,
    checkpointBytes: bytesOf(before),
    memoryBytes,
    seconds:
      options.epochs * (stepsPerEpoch + evaluationSteps / 3) * perStep +
      (Math.ceil(dataset.sizes.test / dataset.batchSize) * 2 * perStep) / 3,
    stepsPerEpoch,
    epochs: options.epochs,
  };
}
