import type { DistillationView, Head, Random } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** MMKD's networks, one per head: what they look at and the weights they give. */
export interface WeightNets {
  /** By `HEAD/hidden/kernel` …, the order of every call. */
  readonly variables: Record<string, tf.Variable>;
  /** Per head [B, inputs], without history. */
  look(view: DistillationView): Partial<Record<Head, tf.Tensor2D>>;
  /** Per head [B, M], rows sum to 1; on the tape of whoever calls. */
  weights(seen: Partial<Record<Head, tf.Tensor2D>>): Partial<Record<Head, tf.Tensor2D>>;
}

/**
 * Per head two dense layers, half as wide as their input with ReLU, then M with a softmax (MMKD). `logit` reads the logits of all
 * teachers and the student, (M + 1) C numbers; `feature` the row of each sample in all their similarity matrices X Xᵀ over the
 * batch, (M + 1) N numbers, X the flattened feature maps. A batch of fewer than N samples has zeros in the places of the missing.
 *
 * @param batchSize N
 * @param cosine divides similarities by the lengths of both maps
 * @param random draws uniformly from ±1 / √inputs, as the public code's layers start
 */
export function createWeightNets(
  {
    heads,
    count,
    classes,
    batchSize,
    cosine,
  }: { heads: Head[]; count: number; classes: number; batchSize: number; cosine: boolean },
  random: Random,
): WeightNets {
  const variables: Record<string, tf.Variable> = {};
  for (const head of heads) {
    const inputs = (count + 1) * (head === 'logit' ? classes : batchSize);
    const hidden = Math.floor(inputs / 2);
    const uniform = (fanIn: number, shape: number[]) => {
      const data = random.fill(new Float32Array(shape.reduce((product, n) => product * n, 1)), 'uniform');
      return tf.tidy(() =>
        tf.variable(
          tf.tensor(
            data.map((u) => (2 * u - 1) / Math.sqrt(fanIn)),
            shape,
          ),
        ),
      );
    };
    variables[`${head}/hidden/kernel`] = uniform(inputs, [inputs, hidden]);
    variables[`${head}/hidden/bias`] = uniform(inputs, [hidden]);
    variables[`${head}/output/kernel`] = uniform(hidden, [hidden, count]);
    variables[`${head}/output/bias`] = uniform(hidden, [count]);
  }
  return {
    variables,
    look: ({ student, teachers, batch: { size } }) =>
      untaped(() =>
        tf.tidy(() => {
          const networks = [...teachers, student];
          const seen: Partial<Record<Head, tf.Tensor2D>> = {};
          if (heads.includes('logit')) {
            seen.logit = tf.concat(
              networks.map(({ logits }) => logits!),
              1,
            );
          }
          if (heads.includes('feature')) {
            const rows = networks.map(({ featureMap }) =>
              tf.pad(similarities(featureMap!, cosine), [
                [0, 0],
                [0, batchSize - size],
              ]),
            );
            seen.feature = tf.concat(rows, 1) as tf.Tensor2D;
          }
          return seen;
        }),
      ),
    weights: (seen) =>
      tf.tidy(() =>
        Object.fromEntries(
          heads.map((head) => {
            const dense = (x: tf.Tensor2D, layer: string) =>
              tf
                .matMul(x, variables[`${head}/${layer}/kernel`] as tf.Tensor as tf.Tensor2D)
                .add<tf.Tensor2D>(variables[`${head}/${layer}/bias`]);
            return [head, tf.softmax(dense(tf.relu(dense(seen[head]!, 'hidden')), 'output'))];
          }),
        ),
      ),
  };
}

/** [B, B] inner products of the flattened maps, or their cosines. */
function similarities(map: tf.Tensor4D, cosine: boolean): tf.Tensor2D {
  const flat = map.reshape([map.shape[0], -1]) as tf.Tensor2D;
  const rows = cosine ? flat.div<tf.Tensor2D>(flat.norm('euclidean', 1, true).maximum(1e-8)) : flat;
  return tf.matMul(rows, rows, false, true);
}
