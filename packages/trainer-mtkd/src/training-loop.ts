import { outputTensors, type TrainingLoop } from '@retort/core';
import { createFeed, loadVariables, saveStudent, saveVariables, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { evaluateStudent } from './evaluate-student.js';
import { fit } from './fit.js';
import { learningRateAt, type MtkdRun, studentVariables, withAveragedStudent } from './mtkd-run.js';
import { loadState, saveState } from './run-state.js';

/** How a run steps, evaluates and saves. */
export function trainingLoop(run: MtkdRun): TrainingLoop {
  const { context, dataset, options, stepsPerEpoch, state, student, teachers, terms, weighting } = run;
  const feed = createFeed(run, options.epochs * stepsPerEpoch);
  return {
    manifest: context.manifest,
    selection: options,
    epochs: options.epochs,
    stepsPerEpoch,
    images: dataset.sizes.train,
    about: {
      batchSize: dataset.batchSize,
      parameters: student.parameters,
      classes: dataset.classes,
      teachers: teachers.map(({ id }) => id),
    },
    prepare: () => fit(run),
    async step(step) {
      const fed = await feed.take(step);
      const inputs = { ...fed, update: step + 1, learningRate: learningRateAt(run, step) };
      await weighting.beforeStep?.(run.tools, inputs);
      const experience = state.runStep(inputs);
      tf.dispose(fed.teachers.flatMap(outputTensors));
      const lastInEpoch = (step + 1) % stepsPerEpoch === 0;
      const report = weighting.afterStep?.(experience, { lastInEpoch });
      tf.dispose(experience);
      return { images: fed.batch.size, ...(report && { report: await readReport(report) }) };
    },
    learningRate: (step) => learningRateAt(run, step),
    readSteps: () => state.log.read(),
    endEpoch: () => state.weightLog.read(),
    async evaluate(split, which) {
      const withTeachers = which !== 'current' && teachers.length > 0;
      const metrics = await run.createMetrics(withTeachers ? teachers.map(({ id }) => id) : []);
      const distillation = withTeachers ? { teachers, terms, weighting } : undefined;
      return evaluateStudent(student, dataset, split, metrics, distillation);
    },
    asEvaluated: (body) => withAveragedStudent(run, body),
    readStudent: () => saveVariables(studentVariables(state)),
    writeStudent: (weights) => loadVariables(studentVariables(state), weights, 'student'),
    saveStudent: (folder) => saveStudent(student, dataset, context.manifest.name, folder),
    save: () => saveState(run),
    load: (saved) => loadState(run, saved),
    drain: () => feed.drain(),
  };
}

/** What an agent tells of an update, as numbers of the log. */
async function readReport(report: TensorMap): Promise<Record<string, number>> {
  const values = await Promise.all(
    Object.entries(report).map(async ([key, scalar]) => [`agent/${key}`, (await scalar.data())[0]] as const),
  );
  tf.dispose(report);
  return Object.fromEntries(values);
}
