import * as tf from '@tensorflow/tfjs';
import { messageOf, RunError } from '@retort/core';
import type { Tensor as OnnxTensor } from 'onnxruntime-common';
import type { PortForm } from './ports.js';
import { preprocess } from './preprocessing.js';
import { sampleInputs } from './sample-inputs.js';

export interface OutputDifference {
  output: string;
  batch: number;
  /** Largest absolute one. */
  difference: number;
  /** Largest absolute number of the output. */
  largest: number;
}

interface Check {
  bytes: Uint8Array;
  model: tf.LayersModel;
  names: { inputs: readonly string[]; outputs: readonly string[] };
  shapes: readonly (readonly number[])[];
  /** Layers the file leaves to who feeds it. */
  skip: readonly tf.layers.Layer[];
  form: PortForm;
  sizes: readonly number[];
  tolerance: number;
}

/**
 * Compares every output of a file in onnxruntime, opened with default options, with the LayersModel's on tfjs's current backend.
 *
 * @throws RunError naming the output that differs by more than the tolerance
 */
export async function checkExport({ bytes, model, names, shapes, skip, form, sizes, tolerance }: Check) {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const found: OutputDifference[] = [];
  const session = await InferenceSession.create(bytes).catch((error: unknown) => {
    throw new RunError(`onnxruntime does not load the exported file: ${messageOf(error)}`, { cause: error });
  });
  try {
    for (const [trial, batch] of sizes.entries()) {
      const inputs = sampleInputs(model, shapes, batch, form.pixels, trial + 1);
      const image = inputs.findIndex(({ rank }) => rank === 4);
      const fed = tf.tidy(() => inputs.map((input, i) => feedOf(input, i === image ? skip : [], form)));
      const feeds = Object.fromEntries(
        fed.map(({ data, shape, type }, i) => [
          names.inputs[i],
          new Tensor(type as 'float32', data as Float32Array, shape),
        ]),
      );
      const results = (await session.run(feeds)) as Record<string, OnnxTensor>;
      const expected = tf.tidy(() => {
        const outputs = [model.apply(inputs.length === 1 ? inputs[0] : inputs)].flat() as tf.Tensor[];
        return outputs.map((output) => {
          const turned = form.layout === 'nchw' && output.rank === 4 ? output.transpose([0, 3, 1, 2]) : output;
          return { shape: turned.shape, data: turned.dataSync() };
        });
      });
      tf.dispose(inputs);
      for (const [i, { shape, data }] of expected.entries()) {
        const [output, actual] = [names.outputs[i], results[names.outputs[i]]];
        if (actual.dims.join() !== shape.join()) {
          throw new RunError(
            `output "${output}" is [${actual.dims.join(', ')}] in ONNX, [${shape.join(', ')}] in the network`,
          );
        }
        let [difference, largest] = [0, 0];
        for (let k = 0; k < data.length; k++) {
          if (!Number.isFinite(data[k])) {
            throw new RunError(
              `the network gives ${data[k]} in output "${output}", so there is nothing to compare with`,
              {
                hints: ['its inputs were random numbers; are its weights finite?'],
              },
            );
          }
          const away = Math.abs(Number(actual.data[k]) - data[k]);
          difference = Math.max(difference, Number.isNaN(away) ? Infinity : away);
          largest = Math.max(largest, Math.abs(data[k]));
        }
        if (!(difference <= tolerance * Math.max(1, largest))) {
          throw new RunError(`output "${output}" differs by ${difference} from the network's at batch size ${batch}`, {
            hints: [`tolerated are ${tolerance * Math.max(1, largest)}; its largest number is ${largest}`],
          });
        }
        found.push({ output, batch, difference, largest });
      }
    }
  } finally {
    await session.release();
  }
  return found;
}

/** What the file is fed for a model's input. */
function feedOf(input: tf.Tensor, skip: readonly tf.layers.Layer[], { layout, pixels }: PortForm) {
  if (input.rank !== 4) return { data: input.dataSync(), shape: input.shape, type: input.dtype };
  const ready = preprocess(skip, input);
  const turned = layout === 'nchw' ? ready.transpose([0, 3, 1, 2]) : ready;
  const data = turned.dataSync();
  return pixels === 'uint8'
    ? { data: Uint8Array.from(data, (value) => Math.round(value * 255)), shape: turned.shape, type: 'uint8' }
    : { data, shape: turned.shape, type: 'float32' };
}
