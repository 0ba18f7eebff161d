import * as tf from '@tensorflow/tfjs';
import { dot, mean, numbers, softmax } from './make.js';

/** Rows of a batch of pairs and the network's scale, in float64. */
export interface WrittenPairs {
  image: number[][];
  text: number[][];
  scale: number;
}

/** B pairs of D numbers, the same for the same name. */
export function pairs(name: string, size: number, width: number, scale: number): WrittenPairs {
  const rows = (side: string) => Array.from({ length: size }, (_, i) => numbers(`${name}-${side}-${i}`, width));
  return { image: rows('image'), text: rows('text'), scale };
}

/** As a network gives them. */
export function output({ image, text, scale }: WrittenPairs) {
  return { imageEmbedding: tf.tensor2d(image), textEmbedding: tf.tensor2d(text), logitScale: tf.scalar(scale) };
}

/** The pairs in another order, texts with their images. */
export function reordered({ image, text, scale }: WrittenPairs, order: number[]): WrittenPairs {
  return { image: order.map((i) => image[i]), text: order.map((i) => text[i]), scale };
}

/** All numbers of the pairs in a row: images, texts, scale. `unpacked` undoes it. */
export function packed({ image, text, scale }: WrittenPairs): number[] {
  return [...image.flat(), ...text.flat(), scale];
}

export function unpacked(values: number[], size: number, width: number): WrittenPairs {
  const rows = (from: number) =>
    Array.from({ length: size }, (_, i) => values.slice(from + i * width, from + (i + 1) * width));
  return { image: rows(0), text: rows(size * width), scale: values[2 * size * width] };
}

/** {@link unpacked} on the tape. */
export function unpackedOutput(values: tf.Tensor1D, size: number, width: number) {
  const rows = (from: number) => values.slice(from, size * width).reshape<tf.Tensor2D>([size, width]);
  return {
    imageEmbedding: rows(0),
    textEmbedding: rows(size * width),
    logitScale: values.slice(2 * size * width, 1).reshape<tf.Scalar>([]),
  };
}

export function unit(a: number[]): number[] {
  const length = Math.sqrt(dot(a, a));
  return a.map((x) => x / length);
}

/** scale · cosine of every a with every b. */
export function cosines(a: number[][], b: number[][], scale: number): number[][] {
  return a.map((x) => b.map((y) => scale * dot(unit(x), unit(y))));
}

/** −log of the probability each row gives its own column, per row. */
export function ownEntropy(logits: number[][]): number[] {
  return logits.map((row, i) => -Math.log(softmax(row)[i]));
}

/** Mean of two vectors, element by element. */
export function half(a: number[], b: number[]): number[] {
  return a.map((x, i) => mean([x, b[i]]));
}

/** Rows of a times a matrix written row by row. */
export function mapped(rows: number[][], kernel: number[], width: number): number[][] {
  return rows.map((row) =>
    Array.from({ length: width }, (_, c) => row.reduce((total, x, d) => total + x * kernel[d * width + c], 0)),
  );
}
