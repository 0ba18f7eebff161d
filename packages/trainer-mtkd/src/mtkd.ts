import { resolve } from 'node:path';
import {
  batchesPerEpoch,
  checkSelection,
  createLossTerms,
  type Dataset,
  definePart,
  InputError,
  isReference,
  metricsOf,
  type MetricValue,
  type PartReference,
  RunError,
  type RunScope,
  type Split,
  type Teacher,
  type Trainer,
  type TrainerContext,
  trainInLoop,
} from '@retort/core';
import {
  bindOptimizer,
  createStepLog,
  trainableParameters,
  loadStudentWeights,
  loadVariables,
  namedWeights,
  saveVariables,
} from '@retort/nn';
import { createStep, type StepParts } from './distillation-step.js';
import { adaptedSizes, hasSimilarity } from './distillation-view.js';
import { estimateRun } from './estimate-run.js';
import { evaluateStudent } from './evaluate-student.js';
import { type MtkdRun, studentVariables } from './mtkd-run.js';
import { mtkdOptions, type MtkdOptions } from './options.js';
import { createStepTools } from './step-tools.js';
import { averageOf } from './student-average.js';
import { trainingLoop } from './training-loop.js';
import { createWeightLog } from './weight-log.js';

/** Multi-teacher knowledge distillation: one trainer for every weighting, so that a comparison compares weights and nothing else. */
export const mtkd = definePart('trainer', {
  name: 'mtkd',
  summary: 'Multi-teacher distillation; with weighting "none", plain supervised training.',
  options: mtkdOptions,
  needs: { sections: ['dataset', 'losses'] },
  create: composeMtkd,
});

async function composeMtkd(options: MtkdOptions, context: TrainerContext): Promise<Trainer> {
  const { manifest, scope, seeds, baseFolder, emit } = context;
  const dataset = await scope.create(manifest.dataset!, {
    scope,
    seeds: seeds.within('dataset'),
    baseFolder,
    path: 'dataset',
  });
  const { classes, imageShape } = dataset;
  if (classes.length === 0) {
    throw new InputError('dataset: mtkd trains classifiers, and this set has no classes', {
      hints: ['take a set with labels, or trainer.use: kdrl, which trains on captions too'],
    });
  }

  // A weighting that needs nothing from teachers runs without them, so that `weighting: none` is the whole change to a baseline.
  const usesTeachers = (scope.part(options.weighting).needs?.teacher ?? []).length > 0;
  if (usesTeachers && manifest.teachers.length === 0) {
    throw new InputError(`weighting "${options.weighting.use}" needs teachers and the manifest lists none`, {
      hints: ['add the section teachers, or use trainer.weighting: none'],
    });
  }
  if (!usesTeachers && manifest.teachers.length > 0) {
    emit({
      type: 'info',
      message: `weighting "${options.weighting.use}" uses no teachers; those listed are not loaded`,
    });
  }
  const looksAhead = needsHeldOut(options.weighting, scope);
  if (looksAhead && dataset.sizes.validation === 0) {
    throw new InputError(
      `${options.weighting.path}: the reward takes reserved samples, and the data set has no validation split`,
      {
        hints: ['reserve some of the train split, for every run it is compared with too: dataset.validation: 0.1'],
      },
    );
  }
  if (looksAhead) {
    emit({
      type: 'info',
      message:
        'rewards are measured on the validation split, so its figures are not held out: take the last student, not the best',
    });
  }
  const references = usesTeachers ? manifest.teachers : [];
  const ids = references.map(({ keys }) => keys.id as string);
  const teachers: Teacher[] = [];
  for (const reference of references) {
    const path = `${reference.path} (${String(reference.keys.id)})`;
    const teacher = await scope.create(reference, {
      id: reference.keys.id as string,
      classes,
      imageShape,
      text: dataset.text,
      scope,
      baseFolder,
      path,
    });
    teachers.push(
      manifest.cache
        ? await scope.create(manifest.cache, { teacher, dataset, emit, baseFolder, path: 'cache' })
        : teacher,
    );
  }

  if (usesTeachers && (await lacksLabels(dataset))) {
    emit({
      type: 'info',
      message:
        'some train samples have no label: their cross-entropy counts as 0, so teachers tie for them where weights or rewards are made from it',
    });
  }

  const student = await scope.create(manifest.student, {
    classes,
    imageShape,
    normalization: dataset.normalization,
    text: dataset.text,
    seeds: seeds.within('student'),
    baseFolder,
    path: 'student',
  });
  scope.own({ dispose: () => void student.model.dispose() });
  if (options.warmStart) await loadStudentWeights(student, resolve(baseFolder, options.warmStart), 'trainer.warmStart');

  const described = teachers.map((teacher) => ({ id: teacher.id, ...teacher.describe() }));
  const terms = await createLossTerms(manifest.losses, student, described, scope, seeds, classes);
  if (terms.length === 0)
    throw new InputError('losses: none is left without teachers', { hints: ['add { id: task, use: cross-entropy }'] });
  const heads = (['logit', 'feature'] as const).filter((head) => terms.some((term) => term.head === head));
  if (usesTeachers && heads.length === 0)
    throw new InputError('losses: none reads the teachers', { hints: ['add { id: kd, use: kd }'] });
  const sizes = adaptedSizes(terms, teachers.length);
  const weighting = await scope.create(options.weighting, {
    teachers: described,
    student: student.offers,
    classes,
    batchSize: Math.min(dataset.batchSize, dataset.sizes.train),
    heads,
    temperature: temperatureOf(manifest.losses),
    agent: manifest.agent,
    hasSimilarity: hasSimilarity(sizes, described),
    adaptedSizes: sizes,
    scope,
    seeds: seeds.within('weighting'),
    baseFolder,
    path: options.weighting.path,
  });

  const stepsPerEpoch = batchesPerEpoch(dataset, 'train');
  const schedule = await scope.create(options.schedule, {
    epochs: options.epochs,
    stepsPerEpoch,
    path: options.schedule.path,
  });
  const { trainable, frozen } = trainableParameters(student, terms, ids);
  const rule = await scope.create(options.optimizer, undefined);
  const optimizer = bindOptimizer(rule, trainable);
  scope.own(optimizer);
  const weightLog = createWeightLog(heads, weighting.hasGenerator ?? false, ids, classes.length);
  const log = createStepLog(
    [
      ...terms.flatMap(({ id, head }) => (head ? ids.map((teacher) => `loss "${id}" of teacher ${teacher}`) : [])),
      ...terms.map(({ id }) => `loss "${id}"`),
    ],
    [...terms.map(({ id }) => `loss/${id}`), ...weightLog.entropies, 'train-accuracy'],
  );
  scope.own(weightLog);
  scope.own(log);

  const createMetrics = metricsOf(manifest.metrics, scope, student.offers, classes);
  if (dataset.sizes.validation > 0) {
    const sample = { size: 1, logits: new Float32Array(classes.length), label: Int32Array.of(0) };
    checkSelection(options.select, await createMetrics([]), sample, manifest.metrics);
  }

  const average = options.ema && averageOf(studentVariables({ trainable, frozen }), options.ema);
  if (average) scope.own(average);
  const parts: StepParts = {
    student,
    terms,
    weighting,
    optimizer,
    parameters: trainable,
    frozen,
    teacherCount: teachers.length,
    log,
    weightLog,
    average,
    verifyReplay: manifest.run.verifyReplay,
  };
  const run: MtkdRun = {
    context,
    options,
    dataset,
    student,
    teachers,
    terms,
    weighting,
    schedule,
    stepsPerEpoch,
    heldOut: looksAhead,
    learningRate: rule.learningRate,
    tools: createStepTools(parts),
    createMetrics,
    state: { trainable, frozen, optimizer, log, weightLog, weighting, average, seeds, runStep: createStep(parts) },
  };
  return {
    fingerprints: Object.fromEntries([
      ['dataset', dataset.fingerprint],
      ...teachers.map((teacher) => [`teacher ${teacher.id}`, teacher.describe().fingerprint]),
    ]) as Record<string, string>,
    train: (trainingOptions) => trainInLoop(trainingLoop(run), trainingOptions),
    estimate: () => estimateRun(run),
    evaluate: (studentFolder: string, split: Split) => evaluateSaved(run, studentFolder, split),
  };
}

/** Whether a part named somewhere in these options reads reserved samples. */
function needsHeldOut(value: unknown, scope: RunScope): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (!isReference(value)) return Object.values(value).some((each) => needsHeldOut(each, scope));
  return scope.part(value).needs?.heldOut === true || needsHeldOut(value.options, scope);
}

/** Whether labels of the train split are unknown: one batch is looked at. */
async function lacksLabels(dataset: Dataset): Promise<boolean> {
  if (batchesPerEpoch(dataset, 'train') === 0) return false;
  const { targets } = await dataset.batch({ split: 'train', epoch: 0, step: 0 }, { augment: false });
  return targets.label!.data.some((label) => label < 0);
}

/** The temperature of the first loss that has one; rewards in closed form need it. */
function temperatureOf(losses: PartReference<'loss'>[]): number {
  for (const { options } of losses) if (typeof options.temperature === 'number') return options.temperature;
  return 4;
}

async function evaluateSaved(run: MtkdRun, folder: string, split: Split): Promise<Record<string, MetricValue>> {
  const { frozen, trainable } = namedWeights(run.student.model);
  const before = await saveVariables({ ...trainable, ...frozen });
  await loadStudentWeights(run.student, folder, 'student');
  const result = await evaluateStudent(run.student, run.dataset, split, await run.createMetrics([]));
  loadVariables({ ...trainable, ...frozen }, before, 'student');
  if (Object.keys(result).length === 0) throw new RunError(`the data set has no ${split} split`);
  return result;
}
