import * as tf from '@tensorflow/tfjs';
import {
  definePart,
  definePlugin,
  type DistillationView,
  type Head,
  Registry,
  resolvePart,
  Seeds,
  type Weighting,
  z,
} from '@retort/core';
import { plugin as nn, toTensor } from '@retort/nn';
import { plugin as agents } from '@retort/rl-agents';
import { plugin } from '../index.js';

const C = 3;

/** A reward that is what a test says. */
const given = definePlugin({
  name: 'given-reward',
  register: (registry) =>
    void registry.add(
      definePart('reward', {
        name: 'given',
        summary: 'What a test says.',
        options: z.strictObject({ rows: z.array(z.array(z.number())) }),
        create:
          ({ rows }) =>
          ({ batch: { size } }) => {
            const reward = tf.tile(tf.tensor2d(rows), [size / rows.length, 1]) as tf.Tensor2D;
            return { logit: reward, feature: reward };
          },
      }),
    ),
});

/** pg without a hidden layer and with plain steps, so that in a state of zeros its bias is the logits. */
export const bare = {
  use: 'pg',
  hidden: [],
  normalizeState: false,
  normalize: 'none',
  entropyCoefficient: 0,
  optimizer: { use: 'sgd', learningRate: 1, momentum: 0 },
};

/** The weighting `agent` of so many teachers with three classes, in a registry that has the reward `given`. */
export async function createWeighting(
  count: number,
  weighting: object,
  agent: object = bare,
  heads: Head[] = ['logit'],
) {
  const registry = new Registry().use(nn).use(agents).use(plugin).use(given);
  const scope = registry.createScope();
  const seeds = new Seeds(1);
  const reference = resolvePart(registry, 'weighting', { use: 'agent', state: ['logits'], ...weighting });
  const made = await scope.create(reference, {
    teachers: Array.from({ length: count }, (_, m) => ({ id: `t${m}`, provides: { logits: [C] } })),
    student: { logits: [C] },
    classes: ['a', 'b', 'c'],
    batchSize: 4,
    heads,
    temperature: 4,
    agent: resolvePart(registry, 'agent', agent),
    hasSimilarity: false,
    adaptedSizes: new Array<undefined>(count).fill(undefined),
    scope,
    seeds,
    baseFolder: '.',
    path: 'trainer.weighting',
  });
  return { weighting: made, seeds, dispose: () => scope.dispose() };
}

interface Numbers {
  teacherLogits?: number[][][];
  studentCrossEntropy?: number[];
  teacherCrossEntropy?: number[][];
  logitLoss?: number[][];
  featureLoss?: number[][];
}

/** A view of B samples and M teachers, zeros where nothing is said. */
export function viewOf(size: number, count: number, own: Numbers = {}): DistillationView {
  const matrix = (rows?: number[][]) => (rows ? tf.tensor2d(rows) : tf.zeros<tf.Rank.R2>([size, count]));
  return {
    batch: { size, label: tf.zeros([size], 'int32') },
    student: { logits: tf.zeros([size, C]) },
    teachers: Array.from({ length: count }, (_, m) => ({
      logits: own.teacherLogits ? tf.tensor2d(own.teacherLogits[m]) : tf.zeros<tf.Rank.R2>([size, C]),
    })),
    studentCrossEntropy: own.studentCrossEntropy ? tf.tensor1d(own.studentCrossEntropy) : tf.zeros([size]),
    teacherCrossEntropy: matrix(own.teacherCrossEntropy),
    logitLoss: matrix(own.logitLoss),
    featureLoss: matrix(own.featureLoss),
    adapted: [],
  };
}

/** What a weighting says while training. */
export interface Weighed {
  [part: string]: Record<string, tf.Tensor2D>;
  fused: Record<string, tf.Tensor2D>;
  generator: Record<string, tf.Tensor2D>;
  experience: Record<string, tf.Tensor2D>;
}

/** @returns tensors that the caller disposes */
export function weighInTraining(weighting: Weighting, view: DistillationView): Weighed {
  const noise = Object.fromEntries(
    Object.entries(weighting.noise!(view.batch.size)).map(([name, values]) => [name, toTensor(values)]),
  );
  return weighting.weigh(view, noise) as Weighed;
}

/** One step as the trainer takes it, the last of an epoch unless said otherwise. */
export function step(weighting: Weighting, view: DistillationView, lastInEpoch = true) {
  return tf.tidy(() => {
    const weights = weighInTraining(weighting, view);
    tf.dispose(weighting.afterStep!(weights.experience, { lastInEpoch }));
    return weights;
  });
}

/** The generator's weights of the first sample. */
export const generatorOf = async (weighting: Weighting, view: DistillationView, head: Head = 'logit') =>
  (await weighting.weigh(view, undefined).generator![head]!.array())[0];

/** Logits of three teachers, each with a class of its own; those of the third can be had otherwise. */
export const logitsOf = (size: number, last = 1) => ({
  teacherLogits: [
    [1, 0, 0],
    [0, 2, 0],
    [last, 0, 1],
  ].map((row) => new Array<number[]>(size).fill(row)),
});
