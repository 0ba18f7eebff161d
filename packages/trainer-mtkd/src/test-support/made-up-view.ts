import { type DistillationView, type Head, Random, Seeds, type Weighting, type WeightingContext } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** Samples, classes, and the width of features. */
export const [B, C, D] = [6, 4, 3];

/** The temperature of distillation losses. */
export const T = 4;

export const softmax = (z: number[]) => {
  const exps = z.map((v) => Math.exp(v - Math.max(...z)));
  return exps.map((e) => e / exps.reduce((a, b) => a + b));
};
export const crossEntropy = (z: number[], y: number) => -Math.log(softmax(z)[y]);

/** Everything about B samples and M teachers, in float64. */
export function numbers(count: number) {
  const random = new Random([count, 1]);
  const rows = (n: number, size: number, scale: number) =>
    Array.from({ length: n }, () => Array.from({ length: size }, () => scale * random.normal()));
  return {
    labels: Array.from({ length: B }, (_, i) => i % C),
    student: rows(B, C, 1),
    map: rows(B, 4 * D, 1),
    teachers: Array.from({ length: count }, (_, m) => ({
      id: `t${m}`,
      logits: rows(B, C, 2),
      adapted: rows(B, D, 1),
      kernel: rows(D, C, 1),
      bias: rows(1, C, 1)[0],
    })),
  };
}
export type Numbers = ReturnType<typeof numbers>;

/** What a weighting sees of them. */
export function viewOf({ labels, student, map, teachers }: Numbers): DistillationView {
  const columns = (f: (teacher: Numbers['teachers'][number], i: number) => number) =>
    tf.tensor2d(labels.map((_, i) => teachers.map((teacher) => f(teacher, i))));
  return {
    batch: { size: B, label: tf.tensor1d(labels, 'int32') },
    student: { logits: tf.tensor2d(student), featureMap: tf.tensor4d(map.flat(), [B, 2, 2, D]) },
    teachers: teachers.map(({ logits, adapted }) => ({
      logits: tf.tensor2d(logits),
      embedding: tf.tensor2d(adapted),
      featureMap: tf.tensor4d(adapted.flat(), [B, 1, 1, D]),
    })),
    studentCrossEntropy: tf.tensor1d(labels.map((y, i) => crossEntropy(student[i], y))),
    teacherCrossEntropy: columns(({ logits }, i) => crossEntropy(logits[i], labels[i])),
    logitLoss: columns(({ logits }, i) => Math.abs(logits[i][0] - student[i][0])),
    featureLoss: columns(({ adapted }, i) => Math.abs(adapted[i][1])),
    similarity: columns(({ adapted }, i) => Math.tanh(adapted[i][0])),
    adapted: teachers.map(({ adapted }) => tf.tensor2d(adapted)),
  };
}

/** What a weighting of them is made with. */
export function contextOf({ teachers }: Numbers): WeightingContext {
  const host = (values: number[], shape: number[]) => ({ data: Float32Array.from(values), shape });
  return {
    teachers: teachers.map(({ id, kernel, bias }) => ({
      id,
      provides: { logits: [C], embedding: [D], featureMap: [1, 1, D] },
      classifier: { kernel: host(kernel.flat(), [D, C]), bias: host(bias, [C]) },
    })),
    student: { logits: [C], featureMap: [2, 2, D] },
    classes: Array.from({ length: C }, (_, c) => String(c)),
    batchSize: B,
    heads: ['logit', 'feature'],
    temperature: T,
    hasSimilarity: true,
    adaptedSizes: teachers.map(() => D),
    scope: undefined as never,
    seeds: new Seeds(1),
    baseFolder: '.',
    path: 'trainer.weighting',
  };
}

/** The weights of all samples, [B][M]. */
export async function weigh(weighting: Weighting, own: Numbers, head: Head = 'logit'): Promise<number[][]> {
  const weights = tf.tidy(() => weighting.weigh(viewOf(own), undefined).fused[head]!);
  return (await weights.array()) as number[][];
}

/** The same teachers in another order. */
export function permuted(own: Numbers, order: number[]): Numbers {
  return { ...own, teachers: order.map((m) => own.teachers[m]) };
}
