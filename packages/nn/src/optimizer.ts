import type { StateTree } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { loadVariables, saveVariables } from './host-tensors.js';
import { untaped } from './stop-gradient.js';

declare module '@retort/core' {
  interface PartKinds {
    optimizer: { context: undefined; instance: Optimizer };
  }
}

/** What one parameter's update may read. */
export interface OptimizerInput {
  parameter: tf.Tensor;
  gradient: tf.Tensor;
  /** One tensor of the parameter's shape per name in `slots`. */
  slots: Record<string, tf.Tensor>;
  learningRate: tf.Scalar;
  /** Number of this update, from 1. */
  step: tf.Scalar;
  /** Whether weight decay applies to this parameter. */
  decays: boolean;
}

export interface OptimizerUpdate {
  parameter: tf.Tensor;
  slots: Record<string, tf.Tensor>;
}

/** An update rule: a pure function of parameter, gradient, slots and hyper-parameters. */
export interface Optimizer {
  /** Peak learning rate; a schedule multiplies it. */
  readonly learningRate: number;
  /** Names of the tensors kept per parameter; they start at zero. */
  readonly slots: readonly string[];
  /** `all`, or `kernels`: parameters of two axes and more, so that biases and normalization are left alone. */
  readonly decayOn: 'all' | 'kernels';
  update(input: OptimizerInput): OptimizerUpdate;
}

/** An optimizer with the slots of some parameters, keyed `parameter/slot`. */
export interface BoundOptimizer {
  readonly variables: Record<string, tf.Variable>;
  /**
   * Updates parameters and slots. Parameters without a gradient are left alone.
   *
   * @param accept scalar bool: where false, parameters and slots keep their values
   */
  apply(
    gradients: Record<string, tf.Tensor>,
    hyper: { learningRate: tf.Scalar; step: tf.Scalar; accept?: tf.Tensor },
  ): void;
  save(): Promise<StateTree>;
  load(state: StateTree): void;
  dispose(): void;
}

/** Makes the slots of an optimizer for these parameters. */
export function bindOptimizer(optimizer: Optimizer, parameters: Record<string, tf.Variable>): BoundOptimizer {
  const variables: Record<string, tf.Variable> = {};
  for (const [key, parameter] of Object.entries(parameters)) {
    for (const slot of optimizer.slots) {
      variables[`${key}/${slot}`] = tf.tidy(() => tf.variable(tf.zeros(parameter.shape), false));
    }
  }
  return {
    variables,
    apply(gradients, { learningRate, step, accept }) {
      tf.tidy(() => {
        for (const [key, gradient] of Object.entries(gradients)) {
          const parameter = parameters[key];
          const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, variables[`${key}/${slot}`]]));
          const updated = optimizer.update({
            parameter,
            gradient,
            slots,
            learningRate,
            step,
            decays: optimizer.decayOn === 'all' || parameter.rank > 1,
          });
          const assign = (variable: tf.Variable, value: tf.Tensor) =>
            variable.assign(accept ? tf.where(accept, value, variable) : value);
          assign(parameter, updated.parameter);
          for (const slot of optimizer.slots) assign(variables[`${key}/${slot}`], updated.slots[slot]);
        }
      });
    },
    save: () => saveVariables(variables),
    load: (state) => loadVariables(variables, state, 'optimizer'),
    dispose: () => tf.dispose(variables),
  };
}

/** Value and gradients by parameter key. A parameter the value does not depend on has no entry. */
export function gradientsOf(
  f: () => tf.Scalar,
  parameters: Record<string, tf.Variable>,
): { value: tf.Scalar; gradients: Record<string, tf.Tensor> } {
  const { value, gradients } = gradientsWithAux(() => ({ value: f(), aux: {} }), parameters);
  return { value, gradients };
}

/**
 * {@link gradientsOf} a function that also hands out other tensors of its forward pass.
 *
 * @param f `value` is differentiated, `aux` is passed on without its history
 */
export function gradientsWithAux<A extends Record<string, tf.Tensor>>(
  f: () => { value: tf.Scalar; aux: A },
  parameters: Record<string, tf.Variable>,
): { value: tf.Scalar; gradients: Record<string, tf.Tensor>; aux: A } {
  let kept = {} as A;
  const { value, grads } = tf.variableGrads(() => {
    const result = f();
    // variableGrads disposes whatever f made; what is wanted afterwards is kept through it.
    kept = mapTensors(result.aux, (tensor) => untaped(() => tf.keep(tensor.clone())));
    return result.value;
  }, Object.values(parameters));
  const aux = mapTensors(kept, (tensor) => {
    const tracked = tensor.clone();
    tensor.dispose();
    return tracked;
  });
  const gradients: Record<string, tf.Tensor> = {};
  for (const [key, { name }] of Object.entries(parameters)) if (grads[name]) gradients[key] = grads[name];
  return { value, gradients, aux };
}

function mapTensors<A extends Record<string, tf.Tensor>>(tensors: A, f: (tensor: tf.Tensor) => tf.Tensor): A {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [key, f(tensor)])) as A;
}
