import type { BatchTensors, Head, StateTree } from '@retort/core';
import { loadVariables, saveVariables, untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** Teacher weights of an epoch. */
export interface EpochWeights {
  /** Mean weight by `logit`, `feature`, `generator-logit` …, then by teacher, over all samples. */
  weights: Record<string, Record<string, number>>;
  /** The same by class: [class][teacher], over the samples whose label is known; zeros for a class that did not occur. */
  weightsByClass: Record<string, number[][]>;
}

export type WeightsOfBatch = Record<'fused' | 'generator', Partial<Record<Head, tf.Tensor2D>>>;

/** Teacher weights that pile up on the device, to be read at the end of an epoch. */
export interface WeightLog {
  readonly variables: Record<string, tf.Variable>;
  /** Names of what {@link record} gives. */
  readonly entropies: readonly string[];
  /** Inside a step. @returns by `entropy/HEAD` the mean entropy of the weights, nats */
  record(batch: BatchTensors, weights: WeightsOfBatch): Record<string, tf.Scalar>;
  /** Reads and zeroes; undefined without teachers. */
  read(): Promise<EpochWeights | undefined>;
  save(): Promise<StateTree>;
  load(state: StateTree): void;
  dispose(): void;
}

/** @param heads heads in use, with `generator` where the weighting has one */
export function createWeightLog(
  heads: readonly Head[],
  hasGenerator: boolean,
  teacherIds: readonly string[],
  classes: number,
): WeightLog {
  const count = teacherIds.length;
  const keys = count === 0 ? [] : heads.flatMap((head) => (hasGenerator ? [head, `generator-${head}`] : [head]));
  const zeros = (shape: number[]) => tf.tidy(() => tf.variable(tf.zeros(shape), false));
  // The last row is of samples without a label.
  const rowLabels = [...Array.from({ length: classes }, (_, c) => c), -1];
  const variables: Record<string, tf.Variable> = {
    classCounts: zeros([rowLabels.length, 1]),
    ...Object.fromEntries(keys.map((key) => [key, zeros([rowLabels.length, count])])),
  };

  return {
    variables,
    entropies: keys.map((key) => `entropy/${key}`),
    record: (batch, weights) =>
      untaped(() => {
        const labels = batch.label!.expandDims(1).equal(tf.tensor1d(rowLabels, 'int32')).cast<tf.Tensor2D>('float32');
        variables.classCounts.assign(variables.classCounts.add(labels.sum(0).expandDims(1)));
        return Object.fromEntries(
          keys.map((key) => {
            const matrix = weightMatrix(weights, key);
            variables[key].assign(variables[key].add(tf.matMul(labels, matrix, true)));
            return [`entropy/${key}`, matrix.mul(matrix.add(1e-12).log()).sum(1).mean().neg() as tf.Scalar];
          }),
        );
      }),

    async read() {
      const counts = (await variables.classCounts.data()) as Float32Array;
      const total = counts.reduce((sum, n) => sum + n, 0);
      const result: EpochWeights = { weights: {}, weightsByClass: {} };
      for (const key of keys) {
        const read = await variables[key].data();
        result.weights[key] = Object.fromEntries(
          teacherIds.map((id, m) => [
            id,
            Array.from(counts, (_, c) => read[c * count + m]).reduce((a, b) => a + b, 0) / total,
          ]),
        );
        result.weightsByClass[key] = Array.from(counts.subarray(0, classes), (n, c) =>
          teacherIds.map((_, m) => read[c * count + m] / Math.max(1, n)),
        );
      }
      tf.tidy(() => {
        for (const variable of Object.values(variables)) variable.assign(tf.zerosLike(variable));
      });
      return keys.length > 0 ? result : undefined;
    },

    save: () => saveVariables(variables),
    load: (state) => loadVariables(variables, state, 'weights'),
    dispose: () => tf.dispose(variables),
  };
}

function weightMatrix(weights: WeightsOfBatch, key: string): tf.Tensor2D {
  const matrix = key.startsWith('generator-')
    ? weights.generator[key.slice('generator-'.length) as Head]
    : weights.fused[key as Head];
  return matrix!;
}
