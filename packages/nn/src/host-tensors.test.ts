import { type Batch, InputError } from '@retort/core';
import { describeEachBackend, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { batchTensors, loadVariables, saveVariables, toHost, toTensor } from './host-tensors.js';

const values = Float32Array.of(1.5, NaN, -0, 1e-38, Infinity, 3);

describeEachBackend('host tensors', () => {
  it('go to the backend and back bit for bit', async () => {
    const float = toTensor({ data: values, shape: [2, 3] });
    expect([float.dtype, float.shape]).toEqual(['float32', [2, 3]]);
    expect(await toHost(float)).toEqual({ data: values, shape: [2, 3] });
    const int = toTensor({ data: Int32Array.of(-1, 2 ** 30), shape: [2] });
    expect(await toHost(int)).toEqual({ data: Int32Array.of(-1, 2 ** 30), shape: [2] });
    const byte = toTensor({ data: Uint8Array.of(0, 255), shape: [2] });
    expect(await toHost(byte)).toEqual({ data: Int32Array.of(0, 255), shape: [2] });
    tf.dispose([float, int, byte]);
  });

  it('of a batch are those that are there', () => {
    const batch: Batch = {
      split: 'train',
      epoch: 0,
      step: 0,
      size: 2,
      index: Int32Array.of(0, 1),
      view: Int32Array.of(0, 0),
      inputs: { image: { data: new Float32Array(24), shape: [2, 2, 2, 3] } },
      targets: { label: { data: Int32Array.of(3, 4), shape: [2] } },
    };
    const { size, image, label } = batchTensors(batch);
    expect([size, image!.shape, label!.shape, label!.dtype]).toEqual([2, [2, 2, 2, 3], [2], 'int32']);
    tf.dispose([image!, label!]);
    expect(batchTensors({ ...batch, inputs: {}, targets: {} })).toEqual({ size: 2 });
  });

  it('save variables and bring them back', () =>
    expectNoLeak(async () => {
      const make = () =>
        tf.tidy(() => ({ kernel: tf.variable(tf.ones([2, 3])), step: tf.variable(tf.scalar(7, 'int32')) }));
      const [from, to] = [make(), make()];
      tf.tidy(() => from.kernel.assign(tf.tensor(values, [2, 3])));
      loadVariables(to, await saveVariables(from), 'student');
      expect(await saveVariables(to)).toEqual(await saveVariables(from));
      tf.dispose([from, to]);
    }));

  it('are refused where one is missing or has another shape, saying which', () => {
    const variables = { kernel: tf.variable(tf.ones([2, 3])) };
    const load = (saved: Parameters<typeof loadVariables>[1]) => () => loadVariables(variables, saved, 'student');
    expect(load({})).toThrow(InputError);
    expect(load({})).toThrow('student: the saved state has no "kernel"');
    expect(load({ kernel: [1, 2] })).toThrow('student: the saved state has no "kernel"');
    expect(load({ kernel: { data: values, shape: [3, 2] } })).toThrow(
      'student: "kernel" was saved as [3, 2], here it is [2, 3]',
    );
    expect(Array.from(variables.kernel.dataSync())).toEqual([1, 1, 1, 1, 1, 1]);
    tf.dispose(variables);
  });
});
