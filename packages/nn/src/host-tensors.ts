import { type Batch, type BatchTensors, type HostTensor, type StateTree, InputError, isHostTensor } from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** A tensor with these values on the current backend. uint8 becomes int32. */
export function toTensor<T extends tf.Tensor = tf.Tensor>({ data, shape }: HostTensor): T {
  return tf.tensor(data, shape, data instanceof Float32Array ? 'float32' : 'int32') as T;
}

/** Reads a tensor back. */
export async function toHost(tensor: tf.Tensor): Promise<HostTensor> {
  return { data: (await tensor.data()) as Float32Array | Int32Array, shape: tensor.shape.slice() };
}

/** The tensors of a batch. The caller disposes them. */
export function batchTensors({ size, inputs, targets }: Batch): BatchTensors {
  return {
    size,
    ...(inputs.image && { image: toTensor<tf.Tensor4D>(inputs.image) }),
    ...(targets.label && { label: toTensor<tf.Tensor1D>(targets.label) }),
    ...(targets.otherLabel && { otherLabel: toTensor<tf.Tensor1D>(targets.otherLabel) }),
    ...(targets.labelShare && { labelShare: toTensor<tf.Tensor1D>(targets.labelShare) }),
    ...(inputs.tokens && { tokens: toTensor<tf.Tensor2D>(inputs.tokens) }),
    ...(targets.imageOfText && { imageOfText: toTensor<tf.Tensor1D>(targets.imageOfText) }),
    ...(targets.answerMask && { answerMask: toTensor<tf.Tensor2D>(targets.answerMask) }),
    ...(targets.box && { box: toTensor<tf.Tensor2D>(targets.box) }),
    ...(targets.mask && { mask: toTensor<tf.Tensor3D>(targets.mask) }),
  };
}

/** Values of named variables, for a checkpoint. */
export async function saveVariables(variables: Record<string, tf.Variable>): Promise<Record<string, HostTensor>> {
  return Object.fromEntries(
    await Promise.all(Object.entries(variables).map(async ([key, variable]) => [key, await toHost(variable)])),
  ) as Record<string, HostTensor>;
}

/** Assigns saved values. @throws InputError naming the first key that is missing or has another shape */
export function loadVariables(variables: Record<string, tf.Variable>, saved: StateTree, what: string): void {
  const values = saved as Record<string, StateTree>;
  for (const [key, variable] of Object.entries(variables)) {
    const value = values[key];
    if (!isHostTensor(value)) throw new InputError(`${what}: the saved state has no "${key}"`);
    if (value.shape.join() !== variable.shape.join()) {
      throw new InputError(
        `${what}: "${key}" was saved as [${value.shape.join(', ')}], here it is [${variable.shape.join(', ')}]`,
      );
    }
    tf.tidy(() => variable.assign(toTensor(value)));
  }
}
