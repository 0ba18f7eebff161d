import { resolve } from 'node:path';
import {
  batchesPerEpoch,
  checkSelection,
  createLossTerms,
  type Dataset,
  definePart,
  discrete,
  InputError,
  type MetricBatch,
  type MetricValue,
  metricsOf,
  nearestHint,
  type OutputShapes,
  type PartReference,
  RunError,
  type Split,
  type Student,
  type Teacher,
  type Trainer,
  type TrainerContext,
  trainInLoop,
} from '@retort/core';
import {
  bindOptimizer,
  createStepLog,
  loadStudentWeights,
  loadVariables,
  saveVariables,
  trainableParameters,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createAnneal } from './anneal.js';
import { type AuxiliaryTaps, createAuxiliaryTaps, tapsAtDepth, type TokenPool, tokenPoolOf } from './auxiliary-taps.js';
import { type Candidates, candidatesOf, offersWithLogits, pairsOf, unusedOutputs } from './candidates.js';
import type { WeightedReward } from './decision-reward.js';
import { estimateRun } from './estimate-run.js';
import { evaluateKdrl } from './evaluate.js';
import { clustersOf } from './find-centers.js';
import type { CenterState, KdrlRun, Stage } from './kdrl-run.js';
import { createSteps, watchedNames } from './kdrl-step.js';
import { algorithmDefaults, type KdrlOptions, kdrlOptions } from './options.js';
import { createDecisionPolicy, type DecisionPolicy, type DecisionTargets } from './policy.js';
import { loadStageOne, stageOneFile } from './stage-one-file.js';
import { tappedNetwork, withoutOutputs } from './tapped-network.js';
import { trainingLoop } from './training-loop.js';

/** Two stages: distillation, then reinforcement with rewards for confidence and for lying where the teacher's clusters are. */
export const kdrl = definePart('trainer', {
  name: 'kdrl',
  summary: 'Two stages: distillation from one teacher, then reinforcement with confidence and cluster rewards.',
  options: kdrlOptions,
  needs: { sections: ['dataset', 'losses'] },
  create: composeKdrl,
});

async function composeKdrl(options: KdrlOptions, context: TrainerContext): Promise<Trainer> {
  const { manifest, scope, seeds, baseFolder } = context;
  const { stage1, stage2 } = options;
  if (stage1.epochs + stage2.epochs === 0) throw new InputError('trainer: both stages have no epochs');
  const dataset = await scope.create(manifest.dataset!, {
    scope,
    seeds: seeds.within('dataset'),
    baseFolder,
    path: 'dataset',
  });
  const { classes, imageShape, text, normalization } = dataset;
  const teacher = await teacherOf(context, dataset);
  const student = await scope.create(manifest.student, {
    classes,
    imageShape,
    normalization,
    text,
    seeds: seeds.within('student'),
    baseFolder,
    path: 'student',
  });
  scope.own({ dispose: () => void student.model.dispose() });

  const provides = teacher?.describe().provides;
  const { hasCaptions, hasBoxes } = await pairsOf(dataset);
  const candidates = candidatesOf(dataset, student.offers, hasCaptions);
  const candidateCount = candidates.count(Math.min(dataset.batchSize, dataset.sizes.train));
  const unused = unusedOutputs(candidates, hasBoxes);
  const seen = { offers: without(offersWithLogits(student.offers, candidateCount), unused.shown) };
  const teachers = provides ? [{ id: teacher.id, provides: offersWithLogits(provides, candidateCount) }] : [];
  const terms = await createLossTerms(manifest.losses, seen, teachers, scope, seeds, classes);

  const embedding = provides?.imageEmbedding ?? provides?.embedding;
  const tapNames = embedding ? tapsOf(options, student).map((name) => outputOf(student, name)) : [];
  const network = tappedNetwork(withoutOutputs(student, unused.model), tapNames);
  const taps =
    tapNames.length > 0
      ? createAuxiliaryTaps(
          tapNames,
          network.offers,
          embedding![0],
          seeds.within('aux').stream('init'),
          'trainer.aux',
          (name) => options.aux.pool ?? poolOf(network, name),
        )
      : undefined;
  if (taps) scope.own(taps);
  if (terms.length === 0 && (taps === undefined || options.aux.weight === 0)) {
    throw new InputError('losses: none of them can be computed without a teacher', {
      hints: ['list a task loss, such as cross-entropy, or a teacher'],
    });
  }
  const { trainable, frozen } = withTaps(
    trainableParameters(student, terms, teacher ? [teacher.id] : []),
    taps?.variables ?? {},
  );
  if (options.from !== undefined)
    await beginFrom(resolve(baseFolder, options.from), { ...trainable, ...frozen }, context);

  const centers = taps && stage2.epochs > 0 ? centersOf(options, dataset, embedding![0]) : undefined;
  if (centers) scope.own({ dispose: () => centers.centers.dispose() });
  const tapSize = embedding?.[0] ?? 0;
  const policies = await policiesOf(options, context, candidates, dataset, {
    ...(teachers.some(({ provides }) => 'logits' in provides) && { teacherLogits: true }),
    label: candidates.kind === 'texts' || classes.length > 0,
    tapSize,
    tapCount: tapNames.length,
    centers: centers?.centers.shape[0],
  });
  const rewards = stage2.rewards.map(({ use }) => use);

  const stepsPerEpoch = batchesPerEpoch(dataset, 'train');
  const anneal = createAnneal(stage2.anneal, stage2.epochs * stepsPerEpoch, 'trainer.stage2.anneal');
  scope.own(anneal);
  const logParts = { terms, taps, teacher, options };
  const stages: Stage[] = [];
  for (const [i, { epochs, optimizer: rule, schedule }] of [stage1, stage2].entries()) {
    const made = await scope.create(rule, undefined);
    const optimizer = bindOptimizer(made, trainable);
    scope.own(optimizer);
    const hasRewards = i === 1 && policies !== undefined;
    const watched = watchedNames(logParts, hasRewards);
    const knowsRight = candidates.kind === 'texts' || classes.length > 0;
    const log = createStepLog(
      watched.map((name) => `loss "${name.slice('loss/'.length)}"`),
      [
        ...watched,
        'entropy',
        ...(knowsRight ? ['train-accuracy'] : []),
        ...(i === 1 ? ['lambda'] : []),
        ...(hasRewards ? rewards.map((name) => `reward/${name}`) : []),
      ],
    );
    scope.own(log);
    stages.push({
      start: i === 0 ? 0 : stage1.epochs * stepsPerEpoch,
      steps: epochs * stepsPerEpoch,
      optimizer,
      // A stage that is left out has no warm-up to fit in.
      schedule: epochs === 0 ? () => 0 : await scope.create(schedule, { epochs, stepsPerEpoch, path: schedule.path }),
      learningRate: made.learningRate,
      log,
    });
  }

  const createMetrics = metricsOf(manifest.metrics, scope, metricOffers(seen.offers, candidates), classes);
  if (dataset.sizes.validation > 0) {
    const sample = sampleOf(seen.offers, candidates, classes.length);
    checkSelection(options.select, await createMetrics([]), sample, manifest.metrics);
  }

  const run: KdrlRun = {
    context,
    options,
    dataset,
    student,
    network,
    teacher,
    terms,
    candidates,
    taps,
    tapSize,
    tapCount: tapNames.length,
    stages: stages as KdrlRun['stages'],
    stepsPerEpoch,
    policies,
    rewards,
    updates: updatesOf(options),
    anneal,
    centers,
    createMetrics,
    trainable,
    frozen,
    seeds,
  };
  const runStep = createSteps(run);
  return {
    fingerprints: Object.fromEntries([
      ['dataset', dataset.fingerprint],
      ...(teacher ? [[`teacher ${teacher.id}`, teacher.describe().fingerprint]] : []),
    ]) as Record<string, string>,
    train: (training) => trainInLoop(trainingLoop(run, runStep, training), training),
    estimate: () => estimateRun(run, runStep),
    evaluate: (folder, split) => evaluateSaved(run, folder, split),
  };
}

/** The one teacher, behind the cache if there is one; undefined for a run without. */
async function teacherOf(
  { manifest, scope, emit, baseFolder }: TrainerContext,
  dataset: Dataset,
): Promise<Teacher | undefined> {
  const [reference, ...others] = manifest.teachers;
  if (others.length > 0) {
    throw new InputError(`teachers: ${manifest.teachers.length} are listed, and kdrl distills one`, {
      hints: ['keep one, or use: mtkd weighs several'],
    });
  }
  if (!reference) return undefined;
  const teacher = await scope.create(reference, {
    id: reference.keys.id as string,
    classes: dataset.classes,
    imageShape: dataset.imageShape,
    text: dataset.text,
    scope,
    baseFolder,
    path: `${reference.path} (${String(reference.keys.id)})`,
  });
  if (!manifest.cache) return teacher;
  return scope.create(manifest.cache, { teacher, dataset, emit, baseFolder, path: 'cache' });
}

/** Outputs or layers of the student that are tapped. */
function tapsOf({ aux }: KdrlOptions, student: Student): string[] {
  const layers = student.model.layers.map(({ name }) => name);
  for (const name of aux.taps ?? []) {
    if (name in student.offers || layers.includes(name)) continue;
    throw new InputError(`trainer.aux.taps: the student has no output or layer "${name}"`, {
      hints: [nearestHint(name, [...Object.keys(student.offers), ...layers])],
    });
  }
  if (aux.taps) return aux.taps;
  if (student.blocks && student.blocks.length > 0) return tapsAtDepth(student.blocks, aux.depth);
  const last = ['imageEmbedding', 'embedding'].find((name) => name in student.offers);
  if (last !== undefined) return [last];
  throw new InputError('trainer.aux: the student names no blocks to tap', {
    hints: ['list layers: trainer.aux.taps: [NAME, …]; or [] for none'],
  });
}

/** The output that a layer's is already, for a model has no tensor among its outputs twice; else the layer. */
function outputOf({ model, offers }: Student, name: string): string {
  if (name in offers) return name;
  const at = model.outputs.indexOf(model.getLayer(name).getOutputAt(0) as tf.SymbolicTensor);
  return at < 0 ? name : Object.keys(offers)[at];
}

function poolOf({ model, offers }: KdrlRun['network'], name: string): TokenPool {
  return tokenPoolOf(model.outputs[Object.keys(offers).indexOf(name)]);
}

function withTaps(
  { trainable, frozen }: ReturnType<typeof trainableParameters>,
  variables: AuxiliaryTaps['variables'],
): ReturnType<typeof trainableParameters> {
  const taps = Object.entries(variables).map(([key, variable]) => [`aux/${key}`, variable] as const);
  return { trainable: { ...trainable, ...Object.fromEntries(taps) }, frozen };
}

async function beginFrom(
  folder: string,
  variables: Record<string, tf.Variable>,
  { emit }: TrainerContext,
): Promise<void> {
  const lacking = await loadStageOne(`${folder}/${stageOneFile}`, variables, 'trainer.from');
  if (lacking.length === 0) return;
  emit({
    type: 'info',
    message: `trainer.from: ${lacking.join(', ')} ${lacking.length === 1 ? 'is' : 'are'} new in this run, and not trained yet`,
  });
}

/** Room for the centers, filled before the first step. */
function centersOf({ centers }: KdrlOptions, { classes, sizes }: Dataset, size: number): CenterState {
  const count = centers.from === 'class-means' ? classes.length : clustersOf(centers, classes);
  if (count === 0) {
    throw new InputError('trainer.centers: class-means needs classes, and the data set has none', {
      hints: ['from: k-means needs no labels'],
    });
  }
  if (count > sizes.train) {
    throw new InputError(`trainer.centers: ${count} centers of ${sizes.train} train samples`, {
      hints: [`set trainer.centers.clusters to ${sizes.train} or fewer`],
    });
  }
  return { centers: tf.tidy(() => tf.variable(tf.zeros([count, size]), false)), assignment: new Map() };
}

/** What decisions of this run may be judged by. */
interface Available {
  teacherLogits?: boolean;
  label: boolean;
  tapSize: number;
  tapCount: number;
  /** K; undefined without centers. */
  centers?: number;
}

/** A policy for each number of candidates that batches bring; undefined where there are no rewards. */
async function policiesOf(
  { stage2 }: KdrlOptions,
  { scope }: TrainerContext,
  candidates: Candidates,
  { batchSize, sizes }: Dataset,
  available: Available,
): Promise<Map<number, DecisionPolicy> | undefined> {
  const path = 'trainer.stage2';
  if (stage2.epochs === 0 || stage2.rewards.length === 0) return undefined;
  const rewards: WeightedReward[] = [];
  for (const reference of stage2.rewards) {
    if (rewards.some(({ name }) => name === reference.use)) {
      throw new InputError(`${reference.path}: reward "${reference.use}" is listed twice`);
    }
    const reward = await scope.create(reference, { path: reference.path });
    rewards.push({ name: reference.use, weight: reference.keys.weight as number, reward });
  }
  const objective = await scope.create(stage2.algorithm, undefined);
  const algorithm = algorithmDefaults[stage2.algorithm.use] ?? {};
  const settings = {
    ...stage2,
    baseline: stage2.baseline ?? algorithm.baseline ?? 'self-critical',
    samples: stage2.samples ?? algorithm.samples ?? 1,
  };
  const sizesOfBatch = [Math.min(batchSize, sizes.train), sizes.train % batchSize].filter((size) => size > 0);
  const policies = new Map<number, DecisionPolicy>();
  for (const count of new Set(sizesOfBatch.map((size) => candidates.count(size)))) {
    const reference: PartReference<'distribution'> = {
      ...{ kind: 'distribution', use: 'categorical', options: {}, keys: {} },
      path,
    };
    const classes = await scope.create(reference, { space: discrete(count), path });
    const policy = createDecisionPolicy({ objective, classes, rewards, path }, settings);
    tryPolicy(policy, count, available);
    policies.set(count, policy);
  }
  return policies;
}

/** Decides once on made-up numbers, so that a reward that lacks something says so before the run begins. */
function tryPolicy(
  policy: DecisionPolicy,
  count: number,
  { teacherLogits, label, tapSize, tapCount, centers }: Available,
) {
  tf.tidy(() => {
    const row = (size: number) => tf.ones([1, size]) as tf.Tensor2D;
    const zero = tf.zeros([1], 'int32') as tf.Tensor1D;
    const targets: DecisionTargets = {
      ...(label && { label: zero }),
      ...(teacherLogits && { teacherLogits: row(count) }),
      ...(centers !== undefined && { centers: tf.ones([centers, tapSize]), assignment: zero }),
    };
    const sizes = new Array<number>(tapCount).fill(tapSize);
    const noise = Object.fromEntries(
      Object.entries(policy.noise(1, sizes)).map(([name, { shape }]) => [name, tf.fill(shape, 0.5)]),
    );
    policy.loss({ logits: row(count), features: sizes.map(row) }, targets, noise);
  });
}

function updatesOf({ stage2 }: KdrlOptions): number {
  return stage2.updates ?? algorithmDefaults[stage2.algorithm.use]?.updates ?? 1;
}

/** What metrics see of a student, given what losses see. */
function metricOffers(offers: OutputShapes, { kind }: Candidates): OutputShapes {
  return kind === 'texts' ? without(offers, ['logits']) : offers;
}

function without(offers: OutputShapes, names: readonly string[]): OutputShapes {
  return Object.fromEntries(Object.entries(offers).filter(([name]) => !names.includes(name)));
}

/** One made-up sample as evaluations give it. */
function sampleOf(offers: OutputShapes, { kind }: Candidates, classes: number): MetricBatch {
  const row = (name: string) => (name in offers ? new Float32Array(offers[name][0]).fill(1) : undefined);
  const box = Float32Array.of(0, 0, 1, 1);
  return {
    size: 1,
    ...(kind !== 'texts' && { logits: new Float32Array(classes) }),
    label: Int32Array.of(0),
    imageEmbedding: row('imageEmbedding'),
    textEmbedding: row('textEmbedding'),
    imageOfText: Int32Array.of(0),
    ...('boxes' in offers && { boxes: box, targetBoxes: box }),
  };
}

async function evaluateSaved(run: KdrlRun, folder: string, split: Split): Promise<Record<string, MetricValue>> {
  const all = { ...run.trainable, ...run.frozen };
  const before = await saveVariables(all);
  await loadStudentWeights(run.student, folder, 'student');
  const { values } = await evaluateKdrl(run, split, await run.createMetrics([]));
  loadVariables(all, before, 'student');
  const { 'clusters-in-use': _, ...metrics } = values;
  if (Object.keys(metrics).length === 0) throw new RunError(`the data set has no ${split} split`);
  return metrics;
}
