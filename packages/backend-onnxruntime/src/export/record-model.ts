import * as tf from '@tensorflow/tfjs';
import { InputError } from '@retort/core';
import type { Data, OnnxRuntimeBackend } from '../backend.js';
import type { RecordedNode, Value } from '../recording.js';

/** A network's forward pass at one batch size. */
export interface RecordedModel {
  batch: number;
  /** In an order they can run in. */
  nodes: readonly RecordedNode[];
  inputs: readonly Value[];
  outputs: readonly Value[];
  layerOf: ReadonlyMap<RecordedNode, string>;
  /** The numbers of a weight or constant; undefined for a fed input and for what is computed. */
  bytesOf(value: Value): Uint8Array | undefined;
}

/**
 * Records what a network does for these inputs, on the onnxruntime backend, which must be tfjs's current one.
 *
 * @param inputs one per input of the model, on any backend
 * @param skip layers whose output is to be their input
 * @throws InputError naming the layer and the kernel for what has no ONNX form
 */
export function recordModel(
  model: tf.LayersModel,
  backend: OnnxRuntimeBackend,
  inputs: readonly tf.Tensor[],
  skip: readonly tf.layers.Layer[],
): RecordedModel {
  const layerOf = new Map<RecordedNode, string>();
  const goHome = bringHere(backend, [...inputs, ...model.weights.map((weight) => weight.read())]);
  // What was recorded before is none of this network.
  backend.flush();
  const runs = backend.statistics().runs;
  const check = (layer: string, fallbacks: Map<string, number>): void => {
    const kernel = [...backend.fallbacks].find(([name, count]) => count !== fallbacks.get(name))?.[0];
    if (kernel !== undefined) {
      throw new InputError(`layer "${layer}" has no ONNX form: the backend does not record tfjs's kernel ${kernel}`, {
        hints: ['export the network without this layer, or replace it by layers that have one'],
      });
    }
    if (backend.statistics().runs !== runs) {
      throw new InputError(`layer "${layer}" has no ONNX form: it reads numbers back while the network runs`);
    }
  };
  const restore = watchLayers(model, (layer, inputs, call) => {
    if (skip.includes(layer)) return [inputs].flat()[0].clone();
    const fallbacks = new Map(backend.fallbacks);
    const outputs = call();
    check(layer.name, fallbacks);
    for (const output of [outputs].flat()) claim(backend.value(output), layer.name, layerOf);
    return outputs;
  });
  const scope = tf.engine();
  scope.startScope('export');
  try {
    // Before anything reads them in another shape.
    const fedValues = inputs.map((input) => backend.value(input));
    const outputs = [model.apply(inputs.length === 1 ? inputs[0] : [...inputs])].flat() as tf.Tensor[];
    const values = outputs.map((output) => backend.value(output));
    const fed = inputs.map((input) => backend.dataOf(input.dataId));
    const { nodes } = backend.pendingGraph(values, () => false);
    return {
      batch: inputs[0].shape[0],
      nodes,
      inputs: fedValues,
      outputs: values,
      layerOf,
      bytesOf: ({ from }) => {
        if (from.kind === 'constant') return from.data;
        if (from.kind === 'node' || fed.includes(from.source as Data)) return undefined;
        const { buffer, byteOffset, byteLength } = backend.valuesOf(from.source as Data) as Float32Array;
        return new Uint8Array(buffer, byteOffset, byteLength);
      },
    };
  } finally {
    restore();
    scope.endScope();
    // The tensors are gone: nothing is left that would have to be computed.
    backend.flush();
    goHome();
  }
}

type Callable = tf.layers.Layer & {
  call: (inputs: tf.Tensor | tf.Tensor[], kwargs: object) => tf.Tensor | tf.Tensor[];
};
type Watcher = (
  layer: tf.layers.Layer,
  inputs: tf.Tensor | tf.Tensor[],
  call: () => tf.Tensor | tf.Tensor[],
) => tf.Tensor | tf.Tensor[];

/** Has the numbers of tensors on this backend, without a kernel having to ask for them. @returns what takes them back */
function bringHere(backend: OnnxRuntimeBackend, tensors: readonly tf.Tensor[]): () => void {
  const homes = tensors.map(({ dataId }) => tf.engine().state.tensorInfo.get(dataId)!.backend);
  for (const { dataId } of tensors) backend.dataOf(dataId);
  return () =>
    tensors.forEach(({ dataId }, i) => {
      if (homes[i] !== backend) tf.engine().moveData(homes[i], dataId);
    });
}

/** Goes between every layer, inner networks' too, and its caller. @returns what ends it */
function watchLayers(model: tf.LayersModel, watch: Watcher): () => void {
  const layers = allLayers(model) as Callable[];
  for (const layer of layers) {
    const call = layer.call.bind(layer);
    layer.call = (inputs, kwargs) => watch(layer, inputs, () => call(inputs, kwargs));
  }
  return () => {
    // The instance's own function hides its class's.
    for (const layer of layers) delete (layer as Partial<Callable>).call;
  };
}

function allLayers(model: tf.LayersModel): tf.layers.Layer[] {
  return model.layers.flatMap((layer) => {
    const inner = (layer as Partial<tf.LayersModel>).layers;
    return Array.isArray(inner) ? [...allLayers(layer as unknown as tf.LayersModel), layer] : [layer];
  });
}

/** Marks the nodes behind a value that no layer has. */
function claim(value: Value, layer: string, layerOf: Map<RecordedNode, string>): void {
  const waiting = [value];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (next.from.kind !== 'node' || layerOf.has(next.from.node)) continue;
    layerOf.set(next.from.node, layer);
    for (const input of next.from.node.inputs) if (input) waiting.push(input);
  }
}
