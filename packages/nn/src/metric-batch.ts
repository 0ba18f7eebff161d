import type { Batch, MetricBatch, NetworkOutput } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';

/** What metrics read of a batch and of what a network made of it. */
export async function metricBatch(outputs: NetworkOutput, { size, targets }: Batch): Promise<MetricBatch> {
  const numbers = async (tensor: tf.Tensor | undefined) => (await tensor?.data()) as Float32Array | undefined;
  const { label, box, mask, imageOfText } = targets;
  const [logits, imageEmbedding, textEmbedding, boxes] = await Promise.all(
    [outputs.logits, outputs.imageEmbedding, outputs.textEmbedding, outputs.boxes].map(numbers),
  );
  return {
    size,
    logits,
    label: label?.data as Int32Array | undefined,
    imageEmbedding,
    textEmbedding,
    imageOfText: (imageOfText?.data as Int32Array | undefined) ?? Int32Array.from({ length: size }, (_, i) => i),
    boxes,
    targetBoxes: box?.data as Float32Array | undefined,
    targetMasks: mask?.data as Uint8Array | undefined,
  };
}
