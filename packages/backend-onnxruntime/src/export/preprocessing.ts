import * as tf from '@tensorflow/tfjs';

/** What a network does to every channel of its images before anything else: scale · x + shift, as one. */
export interface Preprocessing {
  layers: tf.layers.Layer[];
  /** Per channel. */
  scale: number[];
  shift: number[];
}

/** The layers that read a tensor of the model. */
export function readersOf(model: tf.LayersModel, tensor: tf.SymbolicTensor): tf.layers.Layer[] {
  return model.layers.filter(
    (layer) =>
      layer.getClassName() !== 'InputLayer' &&
      (layer as unknown as { inboundNodes: { inputTensors: tf.SymbolicTensor[] }[] }).inboundNodes.some(
        ({ inputTensors }) => inputTensors.includes(tensor),
      ),
  );
}

/** The layers that normalize an image input, read by nobody else; undefined when there are none. */
export function preprocessingOf(model: tf.LayersModel, input: tf.SymbolicTensor): Preprocessing | undefined {
  const layers: tf.layers.Layer[] = [];
  for (let tensor = input; !model.outputs.includes(tensor);) {
    const readers = readersOf(model, tensor);
    if (readers.length !== 1 || !scalesChannels(readers[0])) break;
    layers.push(readers[0]);
    tensor = readers[0].output as tf.SymbolicTensor;
  }
  if (layers.length === 0) return undefined;
  const channels = input.shape.at(-1)!;
  const [shift, sum] = [0, 1].map((value) =>
    tf.tidy(() => Array.from(preprocess(layers, tf.fill([1, 1, 1, channels], value)).dataSync())),
  );
  return { layers, shift, scale: sum.map((each, c) => each - shift[c]) };
}

export function preprocess(layers: readonly tf.layers.Layer[], images: tf.Tensor): tf.Tensor {
  return layers.reduce((tensor, layer) => layer.call(tensor, {}) as tf.Tensor, images);
}

function scalesChannels(layer: tf.layers.Layer): boolean {
  const config = layer.getConfig() as Record<string, unknown>;
  const isOne = (name: string) => config[name] === undefined || [config[name]].flat().every((size) => size === 1);
  switch (layer.getClassName()) {
    case 'Rescaling':
      return true;
    case 'BatchNormalization':
      return config.axis === -1 || config.axis === 3;
    case 'DepthwiseConv2D':
      return (
        ['kernelSize', 'strides', 'depthMultiplier'].every(isOne) &&
        config.activation === 'linear' &&
        config.dataFormat !== 'channelsFirst'
      );
    default:
      return false;
  }
}
