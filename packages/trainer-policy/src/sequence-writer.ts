import type { DatasetSequences, Distribution, Random, Student } from '@retort/core';
import { compile, forward, group, namedWeights, type TensorMap, toTensor, ungroup } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import type { Prompts } from './sequence-prompts.js';
import { allWeights } from './sequence-run.js';

/** Prompts gone on with, on the device. */
export interface Written {
  /** [R, N] int32: prompt, answer and padding. */
  tokens: tf.Tensor2D;
  /** [R, N] int32: 1 where a token was written, the end token or whatever else was last among them. */
  answerMask: tf.Tensor2D;
}

/** Writes answers token by token. */
export interface AnswerWriter {
  /**
   * Nothing is read back: every token is one forward pass of the whole row at fixed shapes, and what a row has written decides on the
   * device whether it has ended. The caller disposes the tensors.
   *
   * @param draw host random numbers for the k-th token and how far logits are divided; without it the most probable token is taken
   */
  write(prompts: Prompts, draw?: { random: (name: string, k: number) => Random; temperature: number }): Written;
}

/** @param distribution over the vocabulary: `categorical` */
export function createWriter(
  student: Student,
  { length, answerLength, padToken, endToken }: DatasetSequences,
  distribution: Distribution,
): AnswerWriter {
  const variables = allWeights(namedWeights(student.model));
  const writeNext = (inputs: TensorMap): TensorMap => {
    const { tokens, answerMask, at, temperature } = inputs;
    const noise = ungroup(inputs, 'noise/');
    const { tokenLogits } = forward(student, { tokens }, { training: false });
    const places = tf.range(0, length, 1, 'int32').expandDims(0);
    const isBefore = places.equal(at.sub(1).expandDims(1));
    const logits = tokenLogits!.mul(isBefore.cast('float32').expandDims(2)).sum<tf.Tensor2D>(1);
    const drawn = temperature ? distribution.sample(logits.div(temperature), noise) : distribution.mode(logits);
    const last = tokens.mul(isBefore.cast('int32')).sum(1);
    const goesOn = last.notEqual(endToken).logicalAnd(last.notEqual(padToken));
    const isWritten = places.equal(at.expandDims(1)).logicalAnd(goesOn.expandDims(1));
    return {
      tokens: tf.where(isWritten, drawn.toInt().expandDims(1).add(tf.zerosLike(tokens)), tokens),
      answerMask: answerMask.add(isWritten.cast('int32')),
    };
  };
  const greedy = compile(writeNext, { variables });
  const drawing = compile(writeNext, { variables });

  return {
    write: ({ tokens, start }, draw) =>
      tf.tidy(() => {
        const [rows] = tokens.shape;
        const first = tf.tensor1d(start, 'int32');
        let state: TensorMap = { tokens: toTensor(tokens), answerMask: tf.zeros(tokens.shape, 'int32') };
        for (let k = 0; k < answerLength; k++) {
          state = tf.tidy(() => {
            const inputs = { ...state, at: first.add(tf.scalar(k, 'int32')) };
            if (!draw) return greedy(inputs);
            return drawing({
              ...inputs,
              temperature: tf.scalar(draw.temperature),
              ...group(
                'noise/',
                noiseOf(distribution, rows, (name) => draw.random(name, k)),
              ),
            });
          });
        }
        return state as unknown as Written & tf.TensorContainerObject;
      }),
  };
}

function noiseOf(distribution: Distribution, rows: number, random: (name: string) => Random): TensorMap {
  return Object.fromEntries(
    Object.entries(distribution.noise(rows)).map(([name, { shape, from }]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, tf.tensor(random(name).fill(new Float32Array(size), from), shape)];
    }),
  );
}
