import * as tf from '@tensorflow/tfjs';
import { InputError, type HostTensor, type Teacher, type TeacherContext } from '@retort/core';
import { checkImageInput } from '@retort/models';
import { compile, modelWithTaps, networkOutput, type TensorMap, toHost, toTensor } from '@retort/nn';
import { imageOf } from './batch-image.js';
import { classOrder, reorderColumns, reorderLogits } from './class-order.js';
import { dualNetworkTeacher, readsTexts } from './dual-network-teacher.js';
import { shapesOf } from './output-shapes.js';
import type { Normalization } from './preprocessing.js';

interface NetworkTeacherOptions {
  /** Becomes the teacher's: disposed with it, and when {@link networkTeacher} throws. */
  loaded: tf.LayersModel;
  /** Layer names by output. */
  layers: Record<string, string>;
  file: string;
  normalization?: Normalization;
  /** The teacher's own class names in the order of its logits. */
  classes?: string[];
  fingerprint: string;
  format: string;
}

/**
 * A LayersModel as a teacher, on tfjs's current backend, always in evaluation mode; one that reads texts beside images is a
 * {@link dualNetworkTeacher}.
 */
export async function networkTeacher(options: NetworkTeacherOptions, context: TeacherContext): Promise<Teacher> {
  if (readsTexts(options.loaded)) return await dualNetworkTeacher(options, context);
  try {
    return await create(options, context);
  } catch (error) {
    options.loaded.dispose();
    throw error;
  }
}

async function create(
  { loaded, layers, file, normalization, classes, fingerprint, format }: NetworkTeacherOptions,
  context: TeacherContext,
): Promise<Teacher> {
  const { id, imageShape, path: where } = context;
  const model = modelWithTaps(loaded, layers, { where });
  checkImageInput(model, imageShape, { path: file, where });
  const names = Object.keys(layers);
  /** Every output by its name, logits still in the teacher's own order of classes. */
  const outputsOf = (pixels: tf.Tensor): TensorMap => {
    const image = normalization ? pixels.sub(normalization.mean).div(normalization.deviation) : pixels;
    const outputs = model.apply(image, { training: false }) as tf.Tensor | tf.Tensor[];
    return Object.fromEntries([outputs].flat().map((output, i) => [names[i], output]));
  };

  // For its shapes only: nothing reads it.
  const trial = tf.tidy(() => outputsOf(tf.zeros([1, ...imageShape])));
  const provides = shapesOf(networkOutput(names, Object.values(trial)), where);
  tf.dispose(trial);

  const order = classOrder(classes, provides.logits[0], context);
  // A teacher's weights never change, so none of them is listed: a backend that records makes them part of the graph.
  const infer = compile(
    ({ pixels }) => {
      const outputs = outputsOf(pixels);
      return { ...outputs, logits: reorderLogits(outputs.logits as tf.Tensor2D, order) };
    },
    { variables: {} },
  );
  const classifier = await classifierOf(model.getLayer(layers.logits), where);
  const millions = loaded.countParams() / 1e6;

  return {
    id,
    describe: () => ({
      ...(classes && { classes: context.classes }),
      provides,
      fingerprint,
      settings: JSON.stringify({ layers, normalization, order: order && Array.from(order) }),
      summary: `${format}, ${millions.toFixed(2)} M weights`,
      ...(classifier && {
        classifier: {
          kernel: reorderColumns(classifier.kernel, order),
          bias: reorderColumns(classifier.bias, order),
        },
      }),
    }),
    infer: async (batch) => {
      const pixels = toTensor(imageOf(batch, context));
      const outputs = infer({ pixels });
      pixels.dispose();
      return networkOutput(Object.keys(outputs), Object.values(outputs));
    },
    dispose: () => {
      loaded.dispose();
    },
  };
}

/** Kernel [D, C] and bias [C] when the logits come straight out of a dense layer. */
async function classifierOf(
  layer: tf.layers.Layer,
  where: string,
): Promise<{ kernel: HostTensor; bias: HostTensor } | undefined> {
  if (layer.getClassName() === 'Softmax' || layer.getConfig().activation === 'softmax') {
    throw new InputError(`layer "${layer.name}" ends in a softmax: it gives probabilities, not logits`, {
      hints: ['name the layer before it in taps.logits, or export the network without its softmax'],
      where,
    });
  }
  if (layer.getClassName() !== 'Dense') return undefined;
  const [kernel, bias] = layer.getWeights();
  return {
    kernel: await toHost(kernel),
    bias: bias ? await toHost(bias) : { data: new Float32Array(kernel.shape[1]!), shape: [kernel.shape[1]!] },
  };
}
