import type { ActionSpace, Agent, AgentContext, AgentNetwork, Decision } from '@retort/core';
import { toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createAgent } from './setup.js';

export interface NetworkShape {
  observationShape: number[];
  space: ActionSpace;
  /** Layers between state and outputs; none is a linear network. */
  hidden?: number[];
  value?: boolean;
  /** Numbers of memory: memory ← tanh(W state + U memory), of which the outputs are linear. */
  memory?: number;
}

/** A small network as trainers give it to agents, with a layer that normalizes as its first. */
export function createNetwork(shape: NetworkShape, seed = 1): AgentNetwork & { dispose(): void } {
  const { observationShape, space, hidden = [6], value = true, memory } = shape;
  let layers = 0;
  const dense = (name: string, units: number, activation: 'linear' | 'tanh' = 'linear') =>
    tf.layers.dense({
      name,
      units,
      activation,
      kernelInitializer: tf.initializers.randomNormal({ mean: 0, stddev: 0.5, seed: 10 * seed + ++layers }),
    });
  const state = tf.input({ shape: observationShape, name: 'state' });
  const remembered = memory ? tf.input({ shape: [memory], name: 'memory' }) : undefined;
  let x = tf.layers
    .batchNormalization({ name: 'normalize', epsilon: 1e-8, trainable: false })
    .apply(state) as tf.SymbolicTensor;
  if (observationShape.length > 1) x = tf.layers.flatten({ name: 'flatten' }).apply(x) as tf.SymbolicTensor;
  hidden.forEach((units, i) => (x = dense(`hidden${i}`, units, 'tanh').apply(x) as tf.SymbolicTensor));
  const outputs: Record<string, tf.SymbolicTensor> = {};
  if (memory) {
    const joint = tf.layers.concatenate({ name: 'joint' }).apply([x, remembered!]);
    outputs.memory = x = dense('memory-cell', memory, 'tanh').apply(joint) as tf.SymbolicTensor;
  }
  const [head, size] = space.kind === 'box' ? ['mean', space.low.length] : ['logits', space.size];
  const named: Record<string, tf.SymbolicTensor> = { [head]: dense('policy', size).apply(x) as tf.SymbolicTensor };
  if (value) named.value = dense('critic', 1).apply(x) as tf.SymbolicTensor;
  Object.assign(named, outputs);
  const model = tf.model({ inputs: remembered ? [state, remembered] : [state], outputs: Object.values(named) });
  const offers = Object.fromEntries(
    Object.entries(named).map(([name, { shape }]) => [name, shape.slice(1) as number[]]),
  );
  return {
    student: { model, offers, parameters: model.countParams() },
    observationShape,
    copy: () => Promise.reject(new Error('not needed here')),
    dispose: () => void model.dispose(),
  };
}

/** An agent that trains a given network. */
export async function createAgentWith(
  reference: { use: string; [option: string]: unknown },
  shape: NetworkShape,
  { seed = 1, guidance }: { seed?: number; guidance?: AgentContext['guidance'] } = {},
) {
  const network = createNetwork(shape);
  const stateSize = shape.observationShape.reduce((product, n) => product * n, 1);
  const given = { network, guidance, stateSize, actions: { action: shape.space } };
  const { agent, seeds } = await createAgent(reference, given, seed);
  const dispose = () => {
    agent.dispose();
    network.dispose();
  };
  return { agent, seeds, network, dispose };
}

/** Acts and explores. The caller disposes the decision. */
export function explore(agent: Agent, state: tf.Tensor2D): Decision & tf.TensorContainerObject {
  return tf.tidy(() => {
    const drawn = agent.noise(state.shape[0]);
    const noise = Object.fromEntries(Object.entries(drawn).map(([name, x]) => [name, toTensor(x)]));
    return agent.act(state, noise) as Decision & tf.TensorContainerObject;
  });
}
