import {
  type Checkpoints,
  type MetricValue,
  outputTensors,
  stateBytes,
  type TrainingOptions,
  type TrainingResult,
} from '@retort/core';
import { loadVariables, saveLayersModel, saveVariables, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { evaluateStudent } from './evaluate-student.js';
import { createFeed } from './feed.js';
import { fit } from './fit.js';
import { learningRateAt, type MtkdRun, studentVariables, withAveragedStudent } from './mtkd-run.js';
import { type Progress, restore, snapshot } from './run-state.js';

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
  else await fit(run);
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
  const bytes = stateBytes(await snapshot(run, progress));
  emit({
    type: 'info',
    message: `checkpoints: every ${manifest.run.checkpoint.every}, the last ${manifest.run.checkpoint.keep} kept, about ${(bytes / 2 ** 20).toFixed(1)} MB each before the agent's memory`,
  });
  const save = async () => {
    // Reading first: what is not finite must not become a checkpoint.
    await logSteps(run, progress.step - 1, emit);
    await writeCheckpoint(run, progress, checkpoints, emit);
  };

  const feed = createFeed(run, totalSteps);
  const patience = run.options.earlyStopping?.patience ?? Infinity;
  const stopsEarly = () => progress.step % stepsPerEpoch === 0 && (progress.best?.age ?? 0) >= patience;
  let status: TrainingResult['status'] = 'finished';
  let epochStart = performance.now();
  try {
    while (progress.step < totalSteps && !stopsEarly()) {
      const { step } = progress;
      const [epoch, stepInEpoch] = [Math.floor(step / stepsPerEpoch), step % stepsPerEpoch];
      const lastInEpoch = stepInEpoch === stepsPerEpoch - 1;
      const fed = await feed.take(step);
      const inputs = { ...fed, update: step + 1, learningRate: learningRateAt(run, step) };
      await state.weighting.beforeStep?.(run.tools, inputs);
      const experience = state.runStep(inputs);
      tf.dispose(fed.teachers.flatMap(outputTensors));
      const report = state.weighting.afterStep?.(experience, { lastInEpoch });
      tf.dispose(experience);
      progress.step = step + 1;
      emit({ type: 'progress', epoch, step, stepInEpoch, images: fed.batch.size });
      if (report) await logAgent(report, step, epoch, run, emit);
      if ((step + 1) % manifest.run.logEvery === 0) await logSteps(run, step, emit);

      if (lastInEpoch) {
        await logSteps(run, step, emit);
        const seconds = progress.epochSeconds + (performance.now() - epochStart) / 1000;
        await endEpoch(run, progress, epoch, seconds, emit);
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
    await feed.drain();
  }
  if (status === 'finished' && stopsEarly()) {
    emit({ type: 'info', message: `stopped early: ${patience} evaluations without a better ${run.options.select}` });
  }
  const results =
    status === 'finished' ? await withAveragedStudent(run, () => finish(run, progress, folder.path, emit)) : {};
  emit({ type: 'run-end', status, seconds: (performance.now() - began) / 1000, results });
  return { status, results };
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
  const { dataset, options, state } = run;
  const step = progress.step - 1;
  const weights = await state.log.readEpoch();
  emit({
    type: 'epoch',
    epoch,
    step,
    seconds,
    imagesPerSecond: dataset.sizes.train / seconds,
    ...weights,
  });
  if ((epoch + 1) % options.evaluateEvery !== 0 && epoch + 1 !== options.epochs) return;
  await withAveragedStudent(run, () => chooseBest(run, progress, epoch, emit));
}

/** Evaluates the student on the validation split and keeps it if it is the best so far. */
async function chooseBest(
  run: MtkdRun,
  progress: Progress,
  epoch: number,
  emit: TrainingOptions['emit'],
): Promise<void> {
  const { dataset, options, student } = run;
  const values = await evaluateStudent(student, dataset, 'validation', await run.createMetrics(false));
  const value = values[options.select] as number | undefined;
  if (value === undefined) return;
  emit({ type: 'evaluation', epoch, step: progress.step - 1, split: 'validation', student: 'current', values });
  const better =
    !progress.best || (options.selectBy === 'highest' ? value > progress.best.value : value < progress.best.value);
  if (better) {
    progress.best = { value, epoch, age: 0, weights: await saveVariables(studentVariables(run.state)) };
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
        ...(student.imports !== undefined && { imports: student.imports }),
        run: run.context.manifest.name,
      },
    });
  await finishOne('last');
  if (best?.epoch === epoch) {
    results.best = results.last;
    await saveStudent('best');
  } else if (best) {
    const variables = studentVariables(run.state);
    const last = await saveVariables(variables);
    loadVariables(variables, best.weights, 'best student');
    await finishOne('best');
    loadVariables(variables, last, 'last student');
  }
  return results;
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
