import { type BatchTensors, type Head, RunError, type StateTree } from '@retort/core';
import { loadVariables, saveVariables, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** What a step leaves for the log. */
export interface StepRecord {
  batch: BatchTensors;
  /** [K], the mean of each term. */
  values: tf.Tensor1D;
  /** Of each distillation term, [M]: the mean for each teacher before it is weighted. */
  byTeacher: tf.Tensor1D[];
  correct: tf.Scalar;
  gradients: Record<string, tf.Tensor>;
  update: tf.Scalar;
  weights: Record<'fused' | 'generator', Partial<Record<Head, tf.Tensor2D>>>;
}

/** Means since the last read. */
export interface StepValues {
  values: Record<string, number>;
}

/** Teacher weights of an epoch. */
export interface EpochWeights {
  /** Mean weight by `logit`, `feature`, `generator-logit` …, then by teacher. */
  weights: Record<string, Record<string, number>>;
  /** The same by class: [class][teacher]; zeros for a class that did not occur. */
  weightsByClass: Record<string, number[][]>;
}

/** Log values that pile up on the device and are read now and then. */
export interface StepLog {
  readonly variables: Record<string, tf.Variable>;
  /** Inside the step. @returns scalar bool: whether every term and gradient has been finite so far */
  record(step: StepRecord): tf.Tensor;
  /** Reads and zeroes the step values; undefined when there are none. @throws RunError naming the first step and term that was not finite */
  readSteps(): Promise<StepValues | undefined>;
  /** Reads and zeroes the weights of the epoch; undefined without teachers. */
  readEpoch(): Promise<EpochWeights | undefined>;
  save(): Promise<StateTree>;
  load(state: StateTree): void;
  dispose(): void;
}

/**
 * @param terms ids of the loss terms, and whether they exist for every teacher
 * @param heads heads in use, with `generator` where the weighting has one
 */
export function createStepLog(
  terms: { id: string; byTeacher: boolean }[],
  heads: Head[],
  hasGenerator: boolean,
  teacherIds: string[],
  classes: number,
): StepLog {
  const count = teacherIds.length;
  const weightKeys = count === 0 ? [] : heads.flatMap((head) => (hasGenerator ? [head, `generator-${head}`] : [head]));
  const zeros = (shape: number[]) => tf.tidy(() => tf.variable(tf.zeros(shape), false));
  const termIds = terms.map(({ id }) => id);
  // Terms by teacher, terms, the gradient; the update at which each was first not finite, 0 for never. What comes first is told.
  const watched = [
    ...terms.flatMap(({ id, byTeacher }) => (byTeacher ? teacherIds.map((m) => `loss "${id}" of teacher ${m}`) : [])),
    ...termIds.map((id) => `loss "${id}"`),
    'the gradient',
  ];
  const sums = [
    'images',
    'steps',
    'correct',
    ...termIds,
    'gradient-norm',
    ...weightKeys.map((key) => `entropy/${key}`),
  ];
  const variables: Record<string, tf.Variable> = {
    firstBad: zeros([watched.length]),
    sums: zeros([sums.length]),
    classCounts: zeros([classes, 1]),
    ...Object.fromEntries(weightKeys.map((key) => [`byClass/${key}`, zeros([classes, count])])),
  };
  const { firstBad } = variables;

  return {
    variables,
    record: ({ batch, values, byTeacher, correct, gradients, update, weights }) =>
      untaped(() => {
        const squares = Object.values(gradients).map((gradient) => gradient.square().sum());
        const gradientNorm = tf.sqrt(tf.addN(squares));
        const finite = tf.isFinite(tf.concat([...byTeacher, values, gradientNorm.expandDims()]));
        const bad = tf.where(finite, tf.zerosLike(firstBad), update.mul(tf.onesLike(firstBad)));
        firstBad.assign(tf.where(firstBad.greater(0), firstBad, bad));
        const labels = tf.oneHot(batch.label!, classes).cast('float32') as tf.Tensor2D;
        variables.classCounts.assign(variables.classCounts.add(labels.sum(0).expandDims(1)));
        const entropies = weightKeys.map((key) => {
          const matrix = weightMatrix(weights, key);
          const byClass = variables[`byClass/${key}`];
          byClass.assign(byClass.add(tf.matMul(labels, matrix, true)));
          return matrix.mul(matrix.add(1e-12).log()).sum(1).mean().neg();
        });
        variables.sums.assign(
          variables.sums.add(
            tf.stack([tf.scalar(batch.size), tf.scalar(1), correct, ...tf.unstack(values), gradientNorm, ...entropies]),
          ),
        );
        return firstBad.equal(0).all();
      }),

    async readSteps() {
      const bad = await firstBad.data();
      const first = bad.findIndex((update) => update > 0 && update === Math.min(...bad.filter((at) => at > 0)));
      if (first >= 0) {
        const isGradient = first === watched.length - 1;
        throw new RunError(
          `${watched[first]} was not finite at step ${bad[first] - 1}${isGradient ? ', though every loss was' : ''}`,
          {
            hints: [
              'the student was left as it was before that step; try a lower learning rate or more warm-up',
              ...(bad[first] === 1
                ? ['in the very first step it is rather the data or a teacher: look at their files']
                : []),
            ],
          },
        );
      }
      const read = await variables.sums.data();
      tf.tidy(() => variables.sums.assign(tf.zerosLike(variables.sums)));
      const value = (name: string) => read[sums.indexOf(name)];
      if (value('steps') === 0) return undefined;
      const values = Object.fromEntries(
        sums
          .slice(3)
          .map((name) => [
            name.includes('/') || name === 'gradient-norm' ? name : `loss/${name}`,
            value(name) / value('steps'),
          ]),
      );
      return { values: { ...values, 'train-accuracy': value('correct') / value('images') } };
    },

    async readEpoch() {
      const counts = (await variables.classCounts.data()) as Float32Array;
      const total = counts.reduce((sum, n) => sum + n, 0);
      const result: EpochWeights = { weights: {}, weightsByClass: {} };
      for (const key of weightKeys) {
        const read = await variables[`byClass/${key}`].data();
        result.weights[key] = Object.fromEntries(
          teacherIds.map((id, m) => [
            id,
            Array.from(counts, (_, c) => read[c * count + m]).reduce((a, b) => a + b, 0) / total,
          ]),
        );
        result.weightsByClass[key] = Array.from(counts, (n, c) =>
          teacherIds.map((_, m) => read[c * count + m] / Math.max(1, n)),
        );
      }
      tf.tidy(() => {
        for (const [name, variable] of Object.entries(variables)) {
          if (name !== 'firstBad' && name !== 'sums') variable.assign(tf.zerosLike(variable));
        }
      });
      return weightKeys.length > 0 ? result : undefined;
    },

    save: () => saveVariables(variables),
    load: (state) => loadVariables(variables, state, 'log'),
    dispose: () => tf.dispose(variables),
  };
}

function weightMatrix(weights: StepRecord['weights'], key: string): tf.Tensor2D {
  const matrix = key.startsWith('generator-')
    ? weights.generator[key.slice('generator-'.length) as Head]
    : weights.fused[key as Head];
  return matrix!;
}
