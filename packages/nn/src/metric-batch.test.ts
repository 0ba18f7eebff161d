import { describeEachBackend } from '@retort-tools/testing';
import type { Batch } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { metricBatch } from './metric-batch.js';

const address = { split: 'test', epoch: 0, step: 0, inputs: {} } as const;
const two = { ...address, size: 2, index: Int32Array.of(5, 6), view: new Int32Array(2) };

describeEachBackend('what metrics read', () => {
  it('is what the network gives and the batch brings, in host memory', async () => {
    const box = { data: Float32Array.of(0, 0, 0.5, 1, 0.1, 0.2, 0.3, 0.4), shape: [2, 4] };
    const batch: Batch = { ...two, targets: { label: { data: Int32Array.of(1, -1), shape: [2] }, box } };
    const outputs = {
      logits: tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]),
      boxes: tf.tensor2d([0, 0, 1, 1, 0, 0, 0.5, 0.5], [2, 4]),
    };
    expect(await metricBatch(outputs, batch)).toMatchObject({
      size: 2,
      logits: Float32Array.of(1, 2, 3, 4, 5, 6),
      label: Int32Array.of(1, -1),
      boxes: Float32Array.of(0, 0, 1, 1, 0, 0, 0.5, 0.5),
      targetBoxes: box.data,
    });
    tf.dispose(outputs);
  });

  it('says whose texts are whose: told by the batch, or one an image', async () => {
    const imageOfText = { data: Int32Array.of(0, 0, 1), shape: [3] };
    const textEmbedding = tf.ones([3, 2]) as tf.Tensor2D;
    const told = await metricBatch({ textEmbedding }, { ...two, targets: { imageOfText } });
    expect([told.imageOfText, told.textEmbedding?.length]).toEqual([Int32Array.of(0, 0, 1), 6]);
    expect((await metricBatch({}, { ...two, targets: {} })).imageOfText).toEqual(Int32Array.of(0, 1));
    textEmbedding.dispose();
  });
});
