import type { DatasetText, Tokenizer } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { onnxFile } from './onnx-file.js';
import { tiny } from './tiny-network.js';

/** Images become their mean color times a matrix, texts the mean of their ids' rows, both of two numbers. */
export const encoders = {
  dimensions: 2,
  vocabulary: 6,
  length: 4,
  scale: 12,
  /** [3, D] */
  projection: [1, -2, 0.5, 1, -1.5, 0.25],
  /** [6, D] */
  table: [1, 0.2, -0.5, 1, 0.7, -0.3, -1, -0.4, 0.3, 0.9, 0.05, -0.1],
};

/** Words a to e are ids 0 to 4; 5 ends a text and fills it up. */
export const tinyTokenizer: Tokenizer = {
  vocabularySize: encoders.vocabulary,
  contextLength: encoders.length,
  endToken: 5,
  fingerprint: 'tiny',
  encode: (texts) => ({
    data: Int32Array.from(texts.flatMap(idsOf)),
    shape: [texts.length, encoders.length],
  }),
};

export const tinyText: DatasetText = { tokenizer: tinyTokenizer, prompts: [['a b', 'c'], ['b d'], ['e', 'a c e']] };

function idsOf(text: string): number[] {
  const words = text.split(' ').map((word) => 'abcde'.indexOf(word));
  return [...words, 5, 5, 5, 5].slice(0, encoders.length);
}

/** Written out in float64, for one image [H · W · 3]. */
export function imageEmbeddingOf(pixels: ArrayLike<number>): number[] {
  const means = [0, 1, 2].map((c) => Array.from(pixels).reduce((sum, x, j) => sum + (j % 3 === c ? x : 0), 0));
  return product(
    means.map((sum) => sum / (pixels.length / 3)),
    encoders.projection,
  );
}

/** Written out in float64. */
export function textEmbeddingOf(text: string): number[] {
  const shares = new Array<number>(encoders.vocabulary).fill(0);
  for (const id of idsOf(text)) shares[id] += 1 / encoders.length;
  return product(shares, encoders.table);
}

/** scale · cos(image, class), with the mean of unit embeddings of a class's prompts. */
export function zeroShotLogitsOf(image: number[], { prompts } = tinyText): number[] {
  return prompts.map((ofClass) => {
    const units = ofClass.map((text) => unit(textEmbeddingOf(text)));
    const center = unit(units[0].map((_, d) => units.reduce((sum, each) => sum + each[d], 0)));
    return encoders.scale * unit(image).reduce((sum, x, d) => sum + x * center[d], 0);
  });
}

function product(row: number[], matrix: number[]): number[] {
  const columns = matrix.length / row.length;
  return Array.from({ length: columns }, (_, d) => row.reduce((sum, x, i) => sum + x * matrix[i * columns + d], 0));
}

function unit(vector: number[]): number[] {
  const norm = Math.hypot(...vector);
  return vector.map((x) => x / norm);
}

/** The same as a LayersModel; with `boxes`, four numbers made of the sum of both embeddings. */
export function tinyDualModel({ boxes = false } = {}): tf.LayersModel {
  const { dimensions, vocabulary, length, scale, projection, table } = encoders;
  const dense = (name: string, units: number, kernel: number[], input: tf.SymbolicTensor, bias?: number[]) => {
    const layer = tf.layers.dense({ name, units, useBias: bias !== undefined });
    const output = layer.apply(input) as tf.SymbolicTensor;
    tf.tidy(() =>
      layer.setWeights([tf.tensor2d(kernel, [kernel.length / units, units]), ...(bias ? [tf.tensor1d(bias)] : [])]),
    );
    return output;
  };
  const image = tf.input({ shape: [tiny.height, tiny.width, 3], name: 'image' });
  const tokens = tf.input({ shape: [length], name: 'tokens', dtype: 'int32' });
  const color = tf.layers
    .globalAveragePooling2d({ name: 'color', dataFormat: 'channelsLast' })
    .apply(image) as tf.SymbolicTensor;
  const imageEmbedding = dense('image_projection', dimensions, projection, color);
  const lookup = tf.layers.embedding({ name: 'lookup', inputDim: vocabulary, outputDim: dimensions });
  const rows = lookup.apply(tokens) as tf.SymbolicTensor;
  tf.tidy(() => lookup.setWeights([tf.tensor2d(table, [vocabulary, dimensions])]));
  const textEmbedding = tf.layers.globalAveragePooling1d({ name: 'text_mean' }).apply(rows) as tf.SymbolicTensor;
  const logitScale = dense('scale', 1, [0, 0, 0], color, [scale]);
  const sum = boxes
    ? [tf.layers.add({ name: 'both' }).apply([imageEmbedding, textEmbedding]) as tf.SymbolicTensor]
    : [];
  return tf.model({
    name: 'tiny_dual',
    inputs: [image, tokens],
    outputs: [
      imageEmbedding,
      textEmbedding,
      logitScale,
      color,
      ...sum.map((both) => dense('box', 4, [1, 0, 2, 0, 0, 1, 0, 2], both)),
    ],
  });
}

/** The image encoder as an ONNX file. */
export function tinyImageOnnx(name = 'image_embeds'): Buffer {
  return onnxFile({
    inputs: { pixel_values: ['batch', 3, tiny.height, tiny.width] },
    outputs: { [name]: ['batch', encoders.dimensions], logit_scale: [] },
    weights: {
      projection: { shape: [3, encoders.dimensions], data: encoders.projection },
      scale: { shape: [], data: [encoders.scale] },
    },
    nodes: [
      { op: 'GlobalAveragePool', inputs: ['pixel_values'], outputs: ['pooled'] },
      { op: 'Flatten', inputs: ['pooled'], outputs: ['color'], attributes: { axis: 1 } },
      { op: 'MatMul', inputs: ['color', 'projection'], outputs: [name] },
      { op: 'Identity', inputs: ['scale'], outputs: ['logit_scale'] },
    ],
  });
}

/** The text encoder as an ONNX file. */
export function tinyTextOnnx({
  type = 'int64',
  batch = 'batch',
  length = 'length',
  vocabulary = encoders.vocabulary,
  mask = false,
  keepdims = 0,
}: {
  type?: 'int32' | 'int64';
  batch?: number | string;
  length?: number | string;
  vocabulary?: number;
  mask?: boolean;
  keepdims?: number;
} = {}): Buffer {
  return onnxFile({
    inputs: { input_ids: [batch, length], ...(mask && { attention_mask: [batch, length] }) },
    types: { input_ids: type, attention_mask: type },
    outputs: { text_embeds: keepdims ? [batch, 1, encoders.dimensions] : [batch, encoders.dimensions] },
    weights: {
      table: {
        shape: [vocabulary, encoders.dimensions],
        data: encoders.table.slice(0, vocabulary * encoders.dimensions),
      },
    },
    nodes: [
      { op: 'Gather', inputs: ['table', 'input_ids'], outputs: ['rows'] },
      { op: 'ReduceMean', inputs: ['rows'], outputs: ['text_embeds'], attributes: { axes: [1], keepdims } },
    ],
  });
}
