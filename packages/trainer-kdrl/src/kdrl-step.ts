import { type Batch, type BatchTensors, type LossTerm, type NetworkOutput } from '@retort/core';
import {
  batchArguments,
  batchFrom,
  batchTensors,
  compile,
  forward,
  gradientsWithAux,
  group,
  mapValues,
  type TensorMap,
  toTensor,
  ungroup,
  unitRows,
  untaped,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { stageWeights } from './anneal.js';
import { rightCandidates, withLogits } from './candidates.js';
import { actionNames } from './decision-reward.js';
import { type KdrlRun, learningRateAt, stageAt } from './kdrl-run.js';
import type { DecisionExperience, DecisionTargets, StudentBelief } from './policy.js';

/** Runs a step of the run on a batch and what the teacher says of it. Nothing is read back. */
export type RunStep = (step: number, batch: Batch, teachers: NetworkOutput[]) => void;

/** What a step knows of the terms of L1. */
interface Supervised {
  /** By term, its mean over the batch. */
  values: tf.Scalar[];
  /** Feature distillation at the taps; undefined without. */
  aux?: tf.Scalar;
  output: NetworkOutput;
  features: tf.Tensor2D[];
}

/**
 * The steps of both stages, each compiled by itself. Stage 1 descends L1 = Σ w L; stage 2 λ L1 + (1 − λ) L_RL, with one forward pass for
 * both. With several updates the decisions of the first are taken again by the others.
 */
export function createSteps(run: KdrlRun): RunStep {
  const { stages, options, updates } = run;
  const { gradient } = options.stage2;
  const [first, second] = stages;
  const common = {
    ...run.trainable,
    ...group('frozen/', run.frozen),
    ...(run.centers && { centers: run.centers.centers }),
  };
  const variablesOf = ({ optimizer, log }: typeof first) => ({
    ...common,
    ...group('optimizer/', optimizer.variables),
    ...group('log/', log.variables),
  });
  const { verifyReplay } = run.context.manifest.run;
  const supervised = compile((inputs: TensorMap) => supervisedStep(run, inputs), {
    variables: variablesOf(first),
    verifyReplay,
  });
  const reinforced = compile((inputs: TensorMap) => reinforcedStep(run, inputs), {
    variables: { ...variablesOf(second), ...group('anneal/', run.anneal.variables) },
    verifyReplay,
  });

  return (step, batch, teachers) =>
    tf.tidy(() => {
      const stage = stageAt(run, step);
      const tensors = batchTensors(batch);
      const inStage = step - stages[stage].start;
      const common = {
        ...batchArguments(tensors, teachers),
        ...(run.candidates.tokens && { 'batch/tokens': toTensor(run.candidates.tokens) }),
        learningRate: tf.scalar(learningRateAt(run, step)),
        at: tf.scalar(step + 1),
      };
      const noiseAt = (update: number) =>
        group('student-noise/', mapValues(run.student.noise?.(batch.size, update) ?? {}, toTensor));
      if (stage === 0) {
        supervised({ ...common, ...noiseAt(step + 1), update: tf.scalar(inStage + 1) });
        return;
      }
      let experience: TensorMap = {};
      for (let k = 0; k < updates; k++) {
        const update = inStage * updates + k + 1;
        const result = reinforced({
          ...common,
          ...noiseAt(step + 1),
          ...(k === 0 || gradient === 'pathwise' ? decisionNoise(run, step, k, batch.size) : experience),
          ...(run.centers && { assignment: assignmentOf(run, batch) }),
          lambda: tf.scalar(run.anneal.byTime(inStage)),
          update: tf.scalar(update),
        });
        if (k === 0) experience = result;
      }
    });
}

/** Random numbers of the decisions of a step, a function of seed and place. */
function decisionNoise(
  { policies, candidates, seeds, tapSize, tapCount }: KdrlRun,
  step: number,
  update: number,
  batchSize: number,
): TensorMap {
  const policy = policies?.get(candidates.count(batchSize));
  if (!policy) return {};
  const shapes = policy.noise(batchSize, new Array<number>(tapCount).fill(tapSize));
  return group(
    'noise/',
    Object.fromEntries(
      Object.entries(shapes).map(([name, { shape, from }]) => {
        const size = shape.reduce((a, b) => a * b, 1);
        const data = seeds.at(`decision/${name}`, step, update).fill(new Float32Array(size), from);
        return [name, tf.tensor(data, shape)];
      }),
    ),
  );
}

/** [B] int32. */
function assignmentOf({ centers }: KdrlRun, batch: Batch): tf.Tensor1D {
  return tf.tensor1d(
    Int32Array.from(batch.index, (number) => centers!.assignment.get(number)!),
    'int32',
  );
}

function supervisedStep(run: KdrlRun, inputs: TensorMap): TensorMap {
  const { terms, options, trainable } = run;
  const { batch, teachers } = batchFrom(inputs, run.teacher ? 1 : 0);
  const { gradients, aux } = gradientsWithAux(() => {
    const { values, aux: tapLoss, output } = forwardTerms(run, batch, teachers, inputs);
    const total = [
      ...values.map((value, k) => value.mul(terms[k].weight)),
      ...(tapLoss ? [tapLoss.mul(options.aux.weight)] : []),
    ];
    return {
      value: tf.addN(total) as tf.Scalar,
      aux: { ...valuesOf(run, values, tapLoss), ...untaped(() => beliefValues(run, output, batch)) } as TensorMap,
    };
  }, trainable);
  finishStep(run, 0, { gradients, aux, inputs });
  return {};
}

function reinforcedStep(run: KdrlRun, inputs: TensorMap): TensorMap {
  const { terms, options, trainable, candidates, policies, anneal } = run;
  const { batch, teachers } = batchFrom(inputs, run.teacher ? 1 : 0);
  const policy = policies?.get(candidates.count(batch.size));
  const lambda = anneal.lambda(inputs.lambda as tf.Scalar);
  const weights = stageWeights(lambda, options.stage2.anneal.terms);
  const { gradients, aux } = gradientsWithAux(() => {
    const { values, aux: tapLoss, output, features } = forwardTerms(run, batch, teachers, inputs);
    const supervised = [
      ...values.map((value, k) => value.mul(terms[k].weight).mul(terms[k].head ? weights.distillation : weights.task)),
      ...(tapLoss ? [tapLoss.mul(options.aux.weight).mul(weights.distillation)] : []),
    ];
    const decided = policy && decide(run, policy, { logits: output.logits!, features }, batch, teachers, inputs);
    const rewardLoss = decided?.loss.mean() as tf.Scalar | undefined;
    return {
      value: tf.addN([...supervised, ...(rewardLoss ? [rewardLoss.mul(weights.reward)] : [])]) as tf.Scalar,
      aux: {
        ...valuesOf(run, values, tapLoss),
        ...(rewardLoss && { 'loss/reward': rewardLoss }),
        ...group('reward/', decided?.earned ?? {}),
        ...group('experience/', decided?.experience ?? {}),
        ...untaped(() => beliefValues(run, output, batch)),
        lambda,
      } as TensorMap,
    };
  }, trainable);
  finishStep(run, 1, { gradients, aux, inputs });
  if (policy) anneal.observe(weightedReward(run, aux));
  return Object.fromEntries(Object.entries(aux).filter(([key]) => key.startsWith('experience/')));
}

/** The end of a step of either stage: its record in the log, and the update. */
function finishStep(
  run: KdrlRun,
  stage: 0 | 1,
  { gradients, aux, inputs }: { gradients: Record<string, tf.Tensor>; aux: TensorMap; inputs: TensorMap },
): void {
  const { optimizer, log } = run.stages[stage];
  const accept = log.record({
    watched: watchedOf(run, aux),
    gradients,
    update: inputs.at as tf.Scalar,
    values: loggedValues(aux),
  });
  optimizer.apply(gradients, {
    learningRate: inputs.learningRate as tf.Scalar,
    step: inputs.update as tf.Scalar,
    accept,
  });
}

/** Forward pass of the student and all terms of L1, on the tape of whoever calls. */
function forwardTerms(run: KdrlRun, batch: BatchTensors, teachers: NetworkOutput[], inputs: TensorMap): Supervised {
  const { network, terms, taps, options } = run;
  const noise = ungroup(inputs, 'student-noise/');
  const output = withLogits(forward(network, batch, { training: true, noise }));
  const [teacher] = teachers.map((each) => untaped(() => withLogits(each)));
  const values = terms.map((term) => meanOf(term, output, teacher, batch));
  const features = taps?.apply(output) ?? [];
  const embedding = teacher && embeddingOf(teacher);
  if (features.length === 0 || !embedding || options.aux.weight === 0) return { values, output, features };
  const target = untaped(() => unitRows(embedding));
  const distances = features.map((feature) =>
    options.aux.loss === 'cosine'
      ? tf.sub(1, feature.mul(target).sum(1)).mean()
      : feature.sub(target).square().sum(1).mean(),
  );
  return { values, aux: tf.addN(distances).div<tf.Scalar>(distances.length), output, features };
}

/** Mean over the batch of a term, what exists for the batch as a whole added. */
function meanOf(
  { losses: [{ loss, student, teacher: view }], head }: LossTerm,
  output: NetworkOutput,
  teacher: NetworkOutput | undefined,
  batch: BatchTensors,
): tf.Scalar {
  const { perSample, batch: whole } = loss.apply(student(output), head && view(teacher!), batch, { training: true });
  const mean = perSample.mean<tf.Scalar>();
  return whole ? mean.add(whole) : mean;
}

/** The teacher's embedding of images [B, D]. */
export function embeddingOf(output: NetworkOutput): tf.Tensor2D | undefined {
  return output.imageEmbedding ?? output.embedding;
}

function decide(
  run: KdrlRun,
  policy: NonNullable<ReturnType<NonNullable<KdrlRun['policies']>['get']>>,
  belief: StudentBelief,
  batch: BatchTensors,
  teachers: NetworkOutput[],
  inputs: TensorMap,
): { loss: tf.Tensor1D; earned: TensorMap; experience: TensorMap } {
  const targets: DecisionTargets = untaped(() => ({
    label: rightCandidates(run.candidates, batch),
    teacherLogits: teachers[0] && withLogits(teachers[0]).logits,
    ...(inputs.assignment && {
      centers: run.centers!.centers as tf.Tensor as tf.Tensor2D,
      assignment: inputs.assignment as tf.Tensor1D,
    }),
  }));
  const meansOf = (earned: Record<string, tf.Tensor1D>) => untaped(() => mapValues(earned, (each) => each.mean()));
  if (run.options.stage2.gradient === 'pathwise') {
    const { loss, earned } = policy.loss(belief, targets, ungroup(inputs, 'noise/'));
    return { loss, earned: meansOf(earned), experience: {} };
  }
  const remembered = ungroup(inputs, 'experience/');
  const experience = isEmpty(remembered)
    ? policy.decide(belief, targets, ungroup(inputs, 'noise/'))
    : experienceFrom(remembered, belief.features.length);
  return {
    loss: policy.surrogate(belief, experience),
    earned: meansOf(experience.earned),
    // Asked for by the next update only; one that nobody reads is not computed on a backend that records.
    experience: experienceTensors(experience),
  };
}

function isEmpty(tensors: TensorMap): boolean {
  return Object.keys(tensors).length === 0;
}

/** Decisions as arguments of a compiled step. */
function experienceTensors({
  classAction,
  featureActions,
  logProbability,
  advantage,
  earned,
}: DecisionExperience): TensorMap {
  return {
    classAction,
    ...Object.fromEntries(featureActions.map((action, tap) => [`featureAction/${tap}`, action])),
    ...group('logProbability/', logProbability),
    ...group('advantage/', advantage),
    ...group('earned/', earned),
  };
}

/** What {@link experienceTensors} was given. */
function experienceFrom(tensors: TensorMap, taps: number): DecisionExperience {
  const byAction = (prefix: string) =>
    Object.fromEntries(
      actionNames.flatMap((action) =>
        `${prefix}${action}` in tensors ? [[action, tensors[`${prefix}${action}`]]] : [],
      ),
    ) as DecisionExperience['advantage'];
  return {
    classAction: tensors.classAction as tf.Tensor1D,
    featureActions: Array.from({ length: taps }, (_, tap) => tensors[`featureAction/${tap}`] as tf.Tensor2D),
    logProbability: byAction('logProbability/'),
    advantage: byAction('advantage/'),
    earned: ungroup(tensors, 'earned/') as DecisionExperience['earned'],
  };
}

/** Σ w r over the rewards of a step, as they were given. */
function weightedReward({ options, rewards }: KdrlRun, aux: TensorMap): tf.Scalar {
  const members = options.stage2.rewards.map(({ keys }, i) => aux[`reward/${rewards[i]}`].mul(keys.weight as number));
  return tf.addN(members) as tf.Scalar;
}

/** Losses by their names in the log. */
function valuesOf({ terms }: KdrlRun, values: tf.Scalar[], aux: tf.Scalar | undefined): TensorMap {
  return {
    ...Object.fromEntries(terms.map(({ id }, k) => [`loss/${id}`, values[k]])),
    ...(aux && { 'loss/aux': aux }),
  };
}

/** Entropy of the student's belief, nats; of how many images it is known what is right, and of how many of these it was. */
function beliefValues({ candidates }: KdrlRun, { logits }: NetworkOutput, batch: BatchTensors): TensorMap {
  const logProbability = tf.logSoftmax(logits!);
  const entropy = logProbability.exp().mul(logProbability).sum(1).mean().neg();
  const right = rightCandidates(candidates, batch);
  if (!right) return { entropy };
  return {
    entropy,
    correct: logits!.argMax(1).equal(right).cast('float32').sum(),
    known: right.greaterEqual(0).cast('float32').sum(),
  };
}

/** What has to be finite, in the order of {@link watchedNames}. */
function watchedOf(run: KdrlRun, aux: TensorMap): tf.Tensor1D {
  return tf.stack(watchedNames(run, 'loss/reward' in aux).map((name) => aux[name])) as tf.Tensor1D;
}

/** Losses that a stage has, by their names in the log. */
export function watchedNames({ terms, taps, teacher, options }: LogParts, hasRewards: boolean): string[] {
  const hasAux = taps !== undefined && teacher !== undefined && options.aux.weight > 0;
  return [
    ...terms.map(({ id }) => `loss/${id}`),
    ...(hasAux ? ['loss/aux'] : []),
    ...(hasRewards ? ['loss/reward'] : []),
  ];
}

type LogParts = Pick<KdrlRun, 'terms' | 'taps' | 'teacher' | 'options'>;

function loggedValues(aux: TensorMap) {
  const { correct, known, ...values } = Object.fromEntries(
    Object.entries(aux).filter(([key]) => !key.startsWith('experience/')),
  ) as Record<string, tf.Scalar>;
  return { ...values, ...(correct && { 'train-accuracy': { sum: correct, count: known } }) };
}
