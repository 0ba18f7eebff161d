import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';
import type { OnnxRuntimeBackend } from '../backend.js';
import { backendName } from '../kernel.js';
import { loadOnnxRuntime } from '../native-session.js';
import { type ModelPort, opset as recordedOpset } from '../onnx-model.js';
import { register } from '../registration.js';
import { checkExport, type OutputDifference } from './check-export.js';
import { modelGraph } from './model-graph.js';
import { readOnnxFile } from './onnx-file.js';
import { forOpset, opsets } from './opset.js';
import { optimize } from './optimize.js';
import { type PortForm, withPorts } from './ports.js';
import { preprocessingOf } from './preprocessing.js';
import { recordModel } from './record-model.js';
import { sampleInputs } from './sample-inputs.js';
import { simplify } from './simplify.js';

export interface OnnxExportOptions extends Partial<PortForm> {
  /** 13 to 22, 17 if not given; older software reads lower ones. */
  opset?: number;
  /** Images in a call; any number if not given, where the model does not fix it. */
  batch?: number | 'free';
  /** Whether the network normalizes its images itself, as it does if not given, or is fed normalized ones. */
  preprocessing?: 'inside' | 'outside';
  /** Names in the file, in the order of the model's; its own if not given. */
  inputs?: readonly string[];
  outputs?: readonly string[];
  /** Of each input without the batch axis, for models that leave sizes free. */
  shapes?: readonly (readonly number[])[];
  /** Largest difference to the LayersModel, as a part of an output's largest number where that is above 1. */
  tolerance?: number;
  /** What the file says about itself. Preprocessing that is outside joins the metadata, as `scale` and `shift`. */
  name?: string;
  documentation?: string;
  metadata?: Readonly<Record<string, string>>;
}

/** A network as an ONNX file, checked. */
export interface OnnxExport {
  bytes: Uint8Array;
  opset: number;
  /** Sizes called `batch` are free. */
  inputs: ModelPort[];
  outputs: ModelPort[];
  /** Operators in the file. */
  nodes: number;
  /** What images need before they are fed: scale · x + shift per channel of pixels in [0, 1]. For preprocessing outside. */
  preprocessing?: { scale: number[]; shift: number[] };
  /** Against the LayersModel on random inputs, per output and batch size. */
  differences: OutputDifference[];
  /** The tfjs backend the LayersModel was asked on. */
  reference: string;
}

/**
 * Any LayersModel as one ONNX file of ONNX's own operators, with inputs and outputs by name and batch normalization folded into the
 * layers before it. The file is loaded in onnxruntime with default options and compared with the model on tfjs's current backend, or
 * on its cpu backend when onnxruntime is the current one.
 *
 * @throws InputError naming the layer and kernel when one has no ONNX form, for options that do not fit, and without onnxruntime
 * @throws RunError when the file does not give what the model gives
 */
export async function exportOnnx(model: tf.LayersModel, options: OnnxExportOptions = {}): Promise<OnnxExport> {
  const { opset = opsets.usual, preprocessing = 'inside', tolerance = 1e-4 } = options;
  const batch = options.batch ?? model.inputs[0].shape[0] ?? 'free';
  const { layout = 'nhwc', pixels = 'float32', name = model.name } = options;
  checkOptions(options);
  const stateful = model.layers.find((layer) => layer.stateful);
  if (stateful) {
    throw new InputError(`layer "${stateful.name}" keeps its state from call to call, which an ONNX file cannot`, {
      hints: ['build the network with stateful: false and the same weights'],
    });
  }
  const names = {
    inputs: options.inputs ?? layerNames(model.inputs),
    outputs: options.outputs ?? layerNames(model.outputs, model.inputs),
  };
  checkNames(model, names);
  const shapes = inputShapes(model, options.shapes);
  loadOnnxRuntime();
  register();
  const before = tf.getBackend();
  const reference = before === backendName ? 'cpu' : before;
  try {
    await tf.setBackend(reference);
    const outside = preprocessing === 'outside' ? findPreprocessing(model) : undefined;
    const skip = outside?.layers ?? [];
    await tf.setBackend(backendName);
    const record = (size: number) => {
      const inputs = sampleInputs(model, shapes, size, 'float32');
      const recorded = recordModel(model, tf.backend() as OnnxRuntimeBackend, inputs, skip);
      tf.dispose(inputs);
      return recorded;
    };
    // Sizes from 2 on: kernels treat axes of 1 in their own way.
    const first = record(batch === 'free' ? 2 : batch);
    const recorded = modelGraph(first, batch === 'free' ? record(3) : first, names);
    const graph = forOpset(withPorts(simplify(recorded, recordedOpset), { layout, pixels }), opset);
    const bytes = await optimize(graph, {
      opset,
      name,
      producer: { name: '@retort/backend-onnxruntime', version: packageVersion() },
      documentation: options.documentation,
      metadata: {
        ...options.metadata,
        ...(outside && { scale: JSON.stringify(outside.scale), shift: JSON.stringify(outside.shift) }),
      },
    });
    await tf.setBackend(reference);
    const differences = await checkExport({
      bytes,
      model,
      names,
      shapes,
      skip,
      form: { layout, pixels },
      sizes: batch === 'free' ? [1, 5] : [batch, batch],
      tolerance,
    });
    return {
      bytes,
      opset,
      inputs: graph.inputs,
      outputs: graph.outputs,
      nodes: readOnnxFile(bytes).nodes.length,
      ...(outside && { preprocessing: { scale: outside.scale, shift: outside.shift } }),
      differences,
      reference,
    };
  } finally {
    await tf.setBackend(before);
  }
}

/** After the layers that they come from, numbered where several come from one. */
function layerNames(tensors: readonly tf.SymbolicTensor[], before: readonly tf.SymbolicTensor[] = []): string[] {
  const sources = [...before, ...tensors].map(({ sourceLayer }) => sourceLayer.name);
  const numbered = sources.map((name, i) => {
    const earlier = sources.slice(0, i).filter((other) => other === name).length;
    return earlier === 0 ? name : `${name}_${earlier + 1}`;
  });
  return numbered.slice(before.length);
}

function checkOptions({ opset, batch, preprocessing, pixels }: OnnxExportOptions): void {
  const { lowest, highest, usual } = opsets;
  if (opset !== undefined && !(Number.isInteger(opset) && opset >= lowest && opset <= highest)) {
    throw new InputError(`opset ${opset} cannot be exported for; choose from ${lowest} to ${highest}, usual: ${usual}`);
  }
  if (batch !== undefined && batch !== 'free' && !(Number.isInteger(batch) && batch > 0)) {
    throw new InputError(`a batch of ${batch} images cannot be exported for; give a whole number from 1 on, or free`);
  }
  if (preprocessing === 'outside' && pixels === 'uint8') {
    throw new InputError('bytes are not normalized images: uint8 pixels need their preprocessing inside');
  }
}

function checkNames(model: tf.LayersModel, names: { inputs: readonly string[]; outputs: readonly string[] }): void {
  for (const side of ['inputs', 'outputs'] as const) {
    const list = names[side];
    if (list.length !== model[side].length) {
      throw new InputError(
        `the network has ${model[side].length} ${side}, ${list.length} names were given: ${list.join(', ')}`,
      );
    }
  }
  const all = [...names.inputs, ...names.outputs];
  const twice = all.find((each, i) => all.indexOf(each) !== i);
  if (twice !== undefined) throw new InputError(`two inputs or outputs are called "${twice}"`);
}

/** Of each input, without the batch axis. */
function inputShapes(model: tf.LayersModel, given: OnnxExportOptions['shapes']): number[][] {
  return model.inputs.map(({ name, shape }, i) => {
    const known = shape.slice(1);
    const chosen = given?.[i];
    const fits = chosen?.length === known.length && known.every((size, axis) => size === null || size === chosen[axis]);
    const form = `[B, ${known.map((size) => size ?? 'any').join(', ')}]`;
    if (chosen && !fits) throw new InputError(`input "${name}" is ${form}, which [${chosen.join(', ')}] does not fit`);
    if (!chosen && known.includes(null)) {
      throw new InputError(`input "${name}" is ${form}; an ONNX file needs its sizes`, {
        hints: ['give them in code: exportOnnx(model, { shapes: [[224, 224, 3]] })'],
      });
    }
    return (chosen ?? known) as number[];
  });
}

function findPreprocessing(model: tf.LayersModel) {
  const image = model.inputs.find(({ shape }) => shape.length === 4);
  const found = image && preprocessingOf(model, image);
  if (!found) {
    throw new InputError(`network "${model.name}" has no preprocessing to leave out`, {
      hints: [
        'it would be batch normalization, rescaling or a depthwise 1 x 1 convolution as its first layer',
        'leave it inside: what the network takes stays as it is',
      ],
    });
  }
  return found;
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
