import type { AgentNetwork, Student } from '@retort/core';
import { Seeds } from '@retort/core';
import { namedWeights } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/**
 * A network that acts, as a trainer gives it: dense layers `hidden_1` … with tanh, and one output. Kernels are normal with
 * deviation 1 / √inputs, drawn anew for every copy.
 *
 * @param normalize a layer that holds the moments of observations, mean 0 and variance 1 at first
 */
export function actingNetwork(
  output: 'logits' | 'mean',
  size: number,
  { stateSize = 2, hidden = [8], normalize = false, memory = false, seed = 1 } = {},
): AgentNetwork & { dispose(): void } {
  const seeds = new Seeds(seed);
  const made: Student[] = [];
  const make = (): Student => {
    const input = tf.input({ shape: [stateSize], name: 'state' });
    let last = input;
    if (normalize) {
      const layer = tf.layers.batchNormalization({ name: 'normalize', epsilon: 1e-8, trainable: false });
      last = layer.apply(last) as tf.SymbolicTensor;
    }
    hidden.forEach((units, i) => {
      last = tf.layers
        .dense({ name: `hidden_${i + 1}`, units, activation: 'tanh', kernelInitializer: 'zeros' })
        .apply(last) as tf.SymbolicTensor;
    });
    const end = tf.layers.dense({ name: output, units: size, kernelInitializer: 'zeros' }).apply(last);
    const model = tf.model({ inputs: input, outputs: end as tf.SymbolicTensor });
    const random = seeds.stream('init');
    tf.tidy(() => {
      for (const variable of Object.values(namedWeights(model).trainable)) {
        const values = random.fill(new Float32Array(variable.size), 'normal');
        const deviation = variable.rank > 1 ? variable.shape[0] ** -0.5 : 0;
        variable.assign(
          tf.tensor(
            values.map((value) => value * deviation),
            variable.shape,
          ),
        );
      }
    });
    const offers = { [output]: [size], ...(memory && { memory: [4] }) };
    const student: Student = { model, offers, parameters: model.countParams() };
    made.push(student);
    return student;
  };
  return {
    student: make(),
    observationShape: [stateSize],
    copy: () => Promise.resolve(make()),
    dispose: () => void made[0].model.dispose(),
  };
}

/** What a network of {@link actingNetwork} without normalization says of a state, in float64. */
export function actingOutput(
  weights: Record<string, ArrayLike<number>>,
  state: readonly number[],
  output: string,
): number[] {
  const layer = (name: string, x: readonly number[]) => {
    const [kernel, bias] = [weights[`${name}/kernel`], weights[`${name}/bias`]];
    return Array.from(bias, (b, j) => x.reduce((sum, value, i) => sum + value * kernel[i * bias.length + j], b));
  };
  let x = [...state];
  for (let i = 1; `hidden_${i}/kernel` in weights; i++) x = layer(`hidden_${i}`, x).map(Math.tanh);
  return layer(output, x);
}
