import { type Emit, outputTensors, type TrainingLoop, type TrainingOptions, writeWhole } from '@retort/core';
import { createFeed, fitLosses, loadVariables, saveStudent, saveVariables, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { saveClusters } from './cluster-file.js';
import { plotClusters } from './cluster-plot.js';
import { type CollapseSigns, collapseWarnings } from './collapse-watch.js';
import { evaluateKdrl, type Evaluation } from './evaluate.js';
import { findCenters } from './find-centers.js';
import { type KdrlRun, learningRateAt } from './kdrl-run.js';
import type { RunStep } from './kdrl-step.js';
import { loadState, saveState } from './run-state.js';
import { saveStageOne, stageOneFile } from './stage-one-file.js';

/** How a run steps through both stages, evaluates and saves. */
export function trainingLoop(
  run: KdrlRun,
  runStep: RunStep,
  { folder, emit }: Pick<TrainingOptions, 'folder' | 'emit'>,
): TrainingLoop {
  const { context, dataset, options, stages, stepsPerEpoch, student, teacher } = run;
  const epochs = options.stage1.epochs + options.stage2.epochs;
  const teachers = teacher ? [teacher] : [];
  const feed = createFeed({ dataset, teachers, stepsPerEpoch }, epochs * stepsPerEpoch);
  return {
    manifest: context.manifest,
    selection: options,
    epochs,
    stepsPerEpoch,
    images: dataset.sizes.train,
    // What the second stage is for is asked of its own students.
    selectFrom: options.stage2.epochs > 0 ? options.stage1.epochs : 0,
    about: {
      batchSize: dataset.batchSize,
      parameters: student.parameters,
      classes: dataset.classes,
      teachers: teachers.map(({ id }) => id),
    },
    async prepare() {
      await fitLosses(run.terms, dataset, teachers);
      await placeCenters(run, folder.path, emit);
    },
    async step(step) {
      if (step === stages[1].start) await beginStageTwo(run, emit);
      const inStage = step - stages[1].start;
      const isAnew = options.centers.recompute === 'per-epoch' && inStage > 0 && inStage % stepsPerEpoch === 0;
      if (isAnew) await placeCenters(run, folder.path, emit, Math.floor(step / stepsPerEpoch));
      const fed = await feed.take(step);
      runStep(step, fed.batch, fed.teachers);
      tf.dispose(fed.teachers.flatMap(outputTensors));
      return { images: fed.batch.size };
    },
    learningRate: (step) => learningRateAt(run, step),
    async readSteps() {
      for (const [i, { log }] of stages.entries()) {
        const values = await log.read();
        if (values) return { ...values, stage: i + 1 };
      }
      return undefined;
    },
    async endEpoch(epoch) {
      if ((epoch + 1) * stepsPerEpoch === stages[1].start) {
        await saveStageOne(`${folder.path}/${stageOneFile}`, { ...run.trainable, ...run.frozen });
      }
      return undefined;
    },
    async evaluate(split, which) {
      const withTeacher = which !== 'current' && teacher !== undefined;
      const metrics = await run.createMetrics(withTeacher ? [teacher.id] : []);
      const evaluation = await evaluateKdrl(run, split, metrics, { withTeacher });
      // The last and the best student have been looked at when they were current.
      if (split === 'validation' && which === 'current' && run.signs) {
        for (const message of collapseWarnings(signsOf(evaluation), run.signs)) emit({ type: 'warning', message });
      }
      return evaluation.values;
    },
    asEvaluated: (body) => body(),
    readStudent: () => saveVariables({ ...run.trainable, ...run.frozen }),
    writeStudent: (weights) => loadVariables({ ...run.trainable, ...run.frozen }, weights, 'student'),
    saveStudent: (path) => saveStudent(student, dataset, context.manifest.name, path),
    save: () => saveState(run),
    load: (saved) => loadState(run, saved),
    drain: () => feed.drain(),
  };
}

/** What the watch over collapse compares. */
function signsOf({ values, shares }: Evaluation): CollapseSigns {
  return {
    entropy: values.entropy as number | undefined,
    calibrationError: values['calibration-error'] as number | undefined,
    shares,
  };
}

/** Remembers how the student was when its stage 2 began. */
async function beginStageTwo(run: KdrlRun, emit: Emit): Promise<void> {
  run.signs = signsOf(await evaluateKdrl(run, 'validation', await run.createMetrics([])));
  const { gradient, algorithm, rewards } = run.options.stage2;
  const names = rewards.map(({ use }) => use).join(', ');
  emit({
    type: 'info',
    message:
      names === '' ? 'stage 2: no rewards' : `stage 2: ${names}; gradient ${gradient}, algorithm ${algorithm.use}`,
  });
}

/** Finds the centers and writes them and their picture into the run's folder. */
async function placeCenters(run: KdrlRun, folder: string, emit: Emit, view?: number): Promise<void> {
  const { centers, teacher, dataset, options, seeds } = run;
  if (!centers || !teacher) return;
  const found = await findCenters(
    { dataset, teacher, options: options.centers, emit },
    {
      file: `${folder}/embeddings.tmp`,
      random: (name) => seeds.at(`centers/${name}`, view ?? 0),
      ...(view !== undefined && { view }),
    },
  );
  tf.tidy(() => centers.centers.assign(toTensor(found.centers)));
  found.index.forEach((number, row) => centers.assignment.set(number, found.assignment[row]));
  saveClusters(`${folder}/clusters.safetensors`, found);
  const { rows, embeddings } = found.sample;
  const plot = plotClusters(found.centers, embeddings, {
    cluster: Array.from(rows, (row) => found.assignment[row]),
    // A picture with classes tells the purity of clusters, which needs all of them.
    ...(found.label?.every((label) => label >= 0) && {
      label: Array.from(rows, (row) => found.label![row]),
      classes: dataset.classes,
    }),
  });
  writeWhole(`${folder}/clusters-plot.json`, Buffer.from(JSON.stringify(plot)));
}
