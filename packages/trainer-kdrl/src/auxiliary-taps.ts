import { InputError, type NetworkOutput, outputNamed, type OutputShapes, type Random } from '@retort/core';
import { unitRows } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

const epsilon = 1e-5;

/** Heads on outputs of the student, in the teacher's space. They are no part of the student that is saved. */
export interface AuxiliaryTaps {
  /** By `tap/gamma`, `tap/beta`, `tap/kernel`, `tap/bias`: what the optimizer moves beside the student, and the checkpoint holds. */
  readonly variables: Record<string, tf.Variable>;
  /** Per tap [B, D], unit length. Gradients flow to the heads and through them into the student. */
  apply(output: NetworkOutput): tf.Tensor2D[];
  dispose(): void;
}

/** What stands for the tokens of an image: the first, which is the class token, or the mean of all. */
export type TokenPool = 'class-token' | 'mean';

/**
 * A head per chosen output: layer normalization (Ba et al. 2016), a linear map to the teacher's width and division by the length. Tokens
 * [B, N, d] are pooled; feature maps [B, H, W, d] are averaged over positions; embeddings [B, d] are as they are.
 *
 * @param names outputs or taps of the student
 * @param offers the student's outputs with their shapes, batch axis left out
 * @param size D, the width of the teacher's embedding
 * @param random draws the kernels, U(−1/√d, 1/√d), in the order of the names
 * @param poolOf how the tokens of an output are pooled
 * @throws InputError when the student has no such output, or one of another rank
 */
export function createAuxiliaryTaps(
  names: readonly string[],
  offers: OutputShapes,
  size: number,
  random: Random,
  path: string,
  poolOf: (name: string) => TokenPool = () => 'class-token',
): AuxiliaryTaps {
  for (const name of names) {
    const shape = offers[name] as number[] | undefined;
    if (!shape || shape.length > 3) {
      throw new InputError(
        `${path}: ${shape ? `output "${name}" [${shape.join(', ')}] is no place for a tap` : `the student has no output "${name}"`}`,
        {
          hints: [
            `it offers: ${Object.entries(offers)
              .map(([each, its]) => `${each} [${its.join(', ')}]`)
              .join(', ')}`,
          ],
        },
      );
    }
  }
  const variables: Record<string, tf.Variable> = {};
  for (const name of names) {
    const width = offers[name].at(-1)!;
    const bound = 1 / Math.sqrt(width);
    const kernel = random.fill(new Float32Array(width * size), 'uniform').map((each) => (2 * each - 1) * bound);
    tf.tidy(() => {
      variables[`${name}/gamma`] = tf.variable(tf.ones([width]));
      variables[`${name}/beta`] = tf.variable(tf.zeros([width]));
      variables[`${name}/kernel`] = tf.variable(tf.tensor2d(kernel, [width, size]));
      variables[`${name}/bias`] = tf.variable(tf.zeros([size]));
    });
  }
  return {
    variables,
    apply: (output) =>
      names.map((name) =>
        tf.tidy(() => {
          const pooled = onePerSample(outputNamed(output, name)!, poolOf(name));
          const centered = pooled.sub(pooled.mean(1, true));
          const deviation = centered.square().mean(1, true).add(epsilon).sqrt();
          const normalized = centered.div(deviation).mul(variables[`${name}/gamma`]).add(variables[`${name}/beta`]);
          const kernel = variables[`${name}/kernel`] as tf.Tensor as tf.Tensor2D;
          return unitRows(tf.matMul(normalized as tf.Tensor2D, kernel).add<tf.Tensor2D>(variables[`${name}/bias`]));
        }),
      ),
    dispose: () => tf.dispose(variables),
  };
}

/** [B, d]: of tokens as told, of a map the mean over positions, or the embedding itself. */
function onePerSample(x: tf.Tensor, pool: TokenPool): tf.Tensor2D {
  if (x.rank === 3) return pool === 'mean' ? x.mean<tf.Tensor2D>(1) : x.slice([0, 0, 0], [-1, 1, -1]).squeeze([1]);
  if (x.rank === 4) return x.mean<tf.Tensor2D>([1, 2]);
  return x as tf.Tensor2D;
}

/**
 * The outputs at these fractions of a network's depth, each once: of 12 blocks and the default, blocks 6, 9 and 12.
 *
 * @param names the outputs of all blocks, in their order
 */
export function tapsAtDepth(names: readonly string[], fractions: readonly number[] = [0.5, 0.75, 1]): string[] {
  const places = fractions.map((fraction) => Math.max(1, Math.round(fraction * names.length)) - 1);
  return [...new Set(places)].map((place) => names[place]);
}

/**
 * How tokens of a LayersModel's output are pooled unless told: by the class token where one has gone into them, as in the blocks of ViT,
 * DeiT and CLIP; else, as in those of CaiT, whose class token comes after them, by their mean.
 */
export function tokenPoolOf(output: tf.SymbolicTensor): TokenPool {
  const seen = new Set<number>();
  const hasClassToken = ({ id, inputs, sourceLayer }: tf.SymbolicTensor): boolean => {
    if (seen.has(id)) return false;
    seen.add(id);
    return sourceLayer.getClassName() === 'ClassToken' || inputs.some(hasClassToken);
  };
  return hasClassToken(output) ? 'class-token' : 'mean';
}
