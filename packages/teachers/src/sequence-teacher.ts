import { InputError, type Teacher, type TeacherContext } from '@retort/core';
import { compile, networkOutput, type TensorMap, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { shapesOf } from './output-shapes.js';

interface SequenceTeacherOptions {
  /** Reads tokens alone. Becomes the teacher's: disposed with it. */
  loaded: tf.LayersModel;
  /** Names of its outputs, in their order. */
  outputs: string[];
  fingerprint: string;
  format: string;
}

/** Whether a network goes on with sequences: tokens are all it reads. */
export function readsSequences({ inputNames }: tf.LayersModel): boolean {
  return inputNames.join() === 'tokens';
}

/** A LayersModel that reads sequences [B, N] as a teacher, on tfjs's current backend, always in evaluation mode. */
export function sequenceTeacher(
  { loaded, outputs, fingerprint, format }: SequenceTeacherOptions,
  { id, path: where }: TeacherContext,
): Teacher {
  const outputsOf = ({ tokens }: TensorMap): TensorMap => {
    const given = [loaded.apply(tokens, { training: false }) as tf.Tensor | tf.Tensor[]].flat();
    return Object.fromEntries(given.map((output, i) => [outputs[i], output]));
  };
  const [, length] = loaded.inputs[0].shape;
  // For its shapes only: nothing reads it.
  const provides = tf.tidy(() => {
    const named = outputsOf({ tokens: tf.zeros([1, length!], 'int32') });
    return shapesOf(networkOutput(Object.keys(named), Object.values(named)), where);
  });
  // A teacher's weights never change, so none of them is listed: a backend that records makes them part of the graph.
  const infer = compile(outputsOf, { variables: {} });
  return {
    id,
    describe: () => ({
      provides,
      fingerprint,
      settings: JSON.stringify({ outputs }),
      summary: `${format}, ${(loaded.countParams() / 1e6).toFixed(2)} M weights`,
    }),
    infer: ({ inputs }) => {
      const { tokens } = inputs;
      if (tokens?.shape[1] !== length) {
        throw new InputError(
          `teacher "${id}" was made for sequences of ${length} ids, ` +
            `the data set gives ${tokens ? `[${tokens.shape.join(', ')}]` : 'none'}`,
          { where },
        );
      }
      const named = tf.tidy(() => infer({ tokens: toTensor(tokens) }));
      return Promise.resolve(networkOutput(Object.keys(named), Object.values(named)));
    },
    dispose: () => void loaded.dispose(),
  };
}
