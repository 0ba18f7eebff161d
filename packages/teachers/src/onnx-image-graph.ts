import {
  type HostTensor,
  InputError,
  nearestHint,
  type NetworkOutput,
  type OutputShapes,
  type TeacherContext,
} from '@retort/core';
import { networkOutput, toTensor } from '@retort/nn';
import { chooseInput, isFixed, type OnnxGraph } from './onnx-graph.js';
import type { OnnxValue } from './onnx-session.js';
import { disposeOutput, shapesOf } from './output-shapes.js';
import type { Normalization } from './preprocessing.js';

interface ImageGraphOptions {
  layout: 'nchw' | 'nhwc';
  input?: string;
  outputs?: Record<string, string>;
  normalization: Normalization;
}

/** What an ONNX graph makes of images. */
export interface ImageGraph {
  provides: OutputShapes;
  /** What the output `logitScale` holds, where there is one; answers do not repeat it. */
  logitScale?: number;
  /** @param image [B, H, W, 3], pixels in [0, 1] */
  infer(image: HostTensor): Promise<NetworkOutput>;
  /** What its answers depend on beside the graph. */
  settings: object;
}

/** @throws InputError when the graph does not take the data set's images, or has not the outputs asked for */
export async function imageGraph(
  graph: OnnxGraph,
  options: ImageGraphOptions,
  context: TeacherContext,
): Promise<ImageGraph> {
  const { layout, normalization } = options;
  const { imageShape, path: where } = context;
  const input = chooseInput(graph, options.input, { of: 'images', option: 'input', where });
  const batchSize = checkInput(input, layout, graph.file, context);
  const outputs = chooseOutputs(graph, options.outputs, where);
  const run = async (names: string[], image: HostTensor): Promise<NetworkOutput> => {
    const arrays = await graph.infer(image);
    return networkOutput(
      names,
      arrays.map((array) => toTensor(array)),
    );
  };
  const plan = (names: string[]) =>
    graph.plan({ input: input.name, outputs: names.map((name) => outputs[name]), normalization, batchSize });
  const blank = { data: new Float32Array(imageShape.reduce((a, b) => a * b)), shape: [1, ...imageShape] };

  let logitScale: number | undefined;
  if ('logitScale' in outputs) {
    await plan(['logitScale']);
    const [{ data }] = await graph.infer(blank);
    logitScale = data[0];
  }
  const names = Object.keys(outputs).filter((name) => name !== 'logitScale');
  await plan(names);
  const trial = await run(names, blank);
  const provides = shapesOf(trial, where);
  disposeOutput(trial);
  return {
    provides,
    ...(logitScale !== undefined && { logitScale }),
    infer: (image) => run(names, image),
    settings: { input: input.name, outputs, layout, normalization },
  };
}

/** @returns what the batch axis is fixed to, undefined when it is free */
function checkInput(
  { name, type, shape }: OnnxValue,
  layout: 'nchw' | 'nhwc',
  file: string,
  { imageShape: [height, width, channels], path: where }: TeacherContext,
): number | undefined {
  const given = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  const [batch, ...asked] = shape;
  const fits = asked.length === 3 && asked.every((size, i) => !isFixed(size) || size === given[i]);
  if (type !== 'float32' || !fits) {
    const form = shape.map((size) => (isFixed(size) ? size : 'any')).join(', ');
    throw new InputError(
      `${file}: input "${name}" is ${type} [${form}], the images as ${layout} are float32 [B, ${given.join(', ')}]`,
      { hints: ['see the options layout and input, or export the model for images of this size'], where },
    );
  }
  return isFixed(batch) ? batch : undefined;
}

const usualOutputs = [
  ['logits', 'logits'],
  ['embedding', 'embedding'],
  ['featureMap', 'feature_map'],
  ['featureMap', 'featureMap'],
  ['imageEmbedding', 'image_embeds'],
  ['imageEmbedding', 'imageEmbedding'],
];

/** The graph's output names by ours. */
function chooseOutputs(
  { outputNames, file }: OnnxGraph,
  wanted: Record<string, string> | undefined,
  where: string,
): Record<string, string> {
  const outputs: Record<string, string> =
    wanted ?? Object.fromEntries(usualOutputs.filter(([, name]) => outputNames.includes(name)));
  if (Object.keys(outputs).length === 0) {
    throw new InputError(`${file} has no output called ${usualOutputs.map(([, name]) => name).join(', ')}`, {
      hints: [`it has: ${outputNames.join(', ')}; say which is which: outputs: { logits: ${outputNames[0]} }`],
      where,
    });
  }
  for (const [field, name] of Object.entries(outputs)) {
    if (!outputNames.includes(name)) {
      throw new InputError(`${file} has no output "${name}" for ${field}`, {
        hints: [nearestHint(name, outputNames)],
        where,
      });
    }
  }
  return outputs;
}
