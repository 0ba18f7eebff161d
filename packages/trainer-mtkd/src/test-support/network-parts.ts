import {
  createLossTerms,
  createRegistry,
  type NetworkOutput,
  Random,
  resolvePart,
  Seeds,
  type Weighting,
} from '@retort/core';
import { bindOptimizer, createSgd, createStepLog, trainableParameters } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { StepParts } from '../distillation-step.js';
import { createWeightLog } from '../weight-log.js';
import { plugins } from './compose.js';

const [classes, size] = [['a', 'b', 'c'], 8];
const provides = { logits: [3], embedding: [6], featureMap: [2, 2, 6] };

/** What a run of a small network with two teachers is made of, at the state it has at first. */
export async function networkParts(weighting: Weighting) {
  const registry = createRegistry(plugins);
  const scope = registry.createScope();
  const seeds = new Seeds(3);
  const student = await scope.create(resolvePart(registry, 'student', { use: 'small-cnn', width: 4 }), {
    classes,
    imageShape: [size, size, 3],
    normalization: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] },
    seeds,
    baseFolder: '.',
    path: 'student',
  });
  scope.own({ dispose: () => void student.model.dispose() });
  const teachers = ['p', 'q'].map((id) => ({ id, provides }));
  const loss = (value: object, keys: Record<string, unknown>) => ({
    ...resolvePart(registry, 'loss', value),
    keys: { weight: 1, ...keys },
  });
  const terms = await createLossTerms(
    [
      loss({ use: 'cross-entropy' }, { id: 'task' }),
      loss({ use: 'kd', temperature: 2 }, { id: 'kd' }),
      loss({ use: 'fitnet' }, { id: 'hint', weight: 3, weightedBy: 'feature' }),
    ],
    student,
    teachers,
    scope,
    seeds,
    classes,
  );
  const { trainable, frozen } = trainableParameters(
    student,
    terms,
    teachers.map(({ id }) => id),
  );
  const rule = createSgd({ learningRate: 0.05, momentum: 0.9, nesterov: false, weightDecay: 5e-4, decayOn: 'all' });
  const optimizer = bindOptimizer(rule, trainable);
  const weightLog = createWeightLog(['logit', 'feature'], false, ['p', 'q'], classes.length);
  const log = createStepLog(
    ['kd', 'hint'].flatMap((id) => [`${id} of p`, `${id} of q`]).concat(terms.map(({ id }) => id)),
    [...terms.map(({ id }) => `loss/${id}`), ...weightLog.entropies, 'train-accuracy'],
  );
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
    verifyReplay: 0,
  };
  return {
    parts,
    dispose: async () => {
      optimizer.dispose();
      log.dispose();
      weightLog.dispose();
      await scope.dispose();
    },
  };
}

/** Made-up samples and what two teachers say of them, as tensors. */
export function madeUpBatch(count: number, seed: number) {
  const random = new Random([seed, 7]);
  const normal = (...shape: number[]) =>
    tf.tensor(random.fill(new Float32Array(shape.reduce((a, b) => a * b)), 'normal'), shape);
  const label = Int32Array.from({ length: count }, () => random.integer(classes.length));
  const image = random.fill(new Float32Array(count * size * size * 3), 'uniform');
  return {
    batch: {
      size: count,
      image: tf.tensor4d(image, [count, size, size, 3]),
      label: tf.tensor1d(label, 'int32'),
    },
    teachers: ['p', 'q'].map(
      () =>
        ({
          logits: normal(count, classes.length),
          embedding: normal(count, 6),
          featureMap: normal(count, 2, 2, 6),
        }) as NetworkOutput,
    ),
    host: {
      size: count,
      split: 'train' as const,
      epoch: 0,
      step: 0,
      index: new Int32Array(count),
      view: new Int32Array(count),
      inputs: { image: { data: image, shape: [count, size, size, 3] } },
      targets: { label: { data: label, shape: [count] } },
    },
  };
}

/** Every number of some variables, copied. */
export async function bitsOf(variables: Record<string, tf.Tensor>): Promise<Record<string, number[]>> {
  return Object.fromEntries(
    await Promise.all(
      Object.entries(variables).map(async ([key, tensor]) => [key, Array.from(await tensor.data())] as const),
    ),
  );
}
