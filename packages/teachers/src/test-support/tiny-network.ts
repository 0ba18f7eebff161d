import { onnxFile } from './onnx-file.js';

/** 1x1 convolution 3 -> K, ReLU, global average pool, dense K -> C, in numbers that are all different. */
export const tiny = {
  height: 4,
  width: 5,
  features: 2,
  classes: 3,
  /** [3, K] */
  convolution: [0.5, -0.25, 1, 0.75, -0.5, 0.125],
  /** [K, C] */
  kernel: [1, 2, -1, 0.5, -2, 3],
  bias: [0.1, 0.2, 0.3],
};

/** The network written out in float64, for one image [H · W · 3]. */
export function tinyOutputs(pixels: ArrayLike<number>): {
  logits: number[];
  embedding: number[];
  featureMap: number[];
} {
  const { features, classes, convolution, kernel, bias } = tiny;
  const featureMap: number[] = [];
  const embedding = new Array<number>(features).fill(0);
  const places = pixels.length / 3;
  for (let place = 0; place < places; place++) {
    for (let k = 0; k < features; k++) {
      let sum = 0;
      for (let c = 0; c < 3; c++) sum += pixels[place * 3 + c] * convolution[c * features + k];
      featureMap.push(Math.max(0, sum));
      embedding[k] += Math.max(0, sum) / places;
    }
  }
  const logits = bias.map((b, c) => embedding.reduce((sum, value, k) => sum + value * kernel[k * classes + c], b));
  return { logits, embedding, featureMap };
}

/** The same network as an ONNX file. */
export function tinyOnnx({
  batch = 'batch',
  layout = 'nchw',
  map = 'feature_map',
}: { batch?: number | string; layout?: 'nchw' | 'nhwc'; map?: string } = {}): Buffer {
  const { height, width, features, classes, convolution, kernel, bias } = tiny;
  const last = layout === 'nhwc';
  const transpose = (from: string, to: string, perm: number[]) => ({
    op: 'Transpose',
    inputs: [from],
    outputs: [to],
    attributes: { perm },
  });
  return onnxFile({
    inputs: { image: last ? [batch, height, width, 3] : [batch, 3, height, width] },
    outputs: {
      logits: [batch, classes],
      embedding: [batch, features],
      [map]: last ? [batch, height, width, features] : [batch, features, height, width],
    },
    weights: {
      // ONNX kernels are [K, 3, 1, 1].
      convolution: {
        shape: [features, 3, 1, 1],
        data: Array.from({ length: 3 * features }, (_, i) => convolution[(i % 3) * features + Math.floor(i / 3)]),
      },
      kernel: { shape: [features, classes], data: kernel },
      bias: { shape: [classes], data: bias },
    },
    nodes: [
      ...(last ? [transpose('image', 'channels_first', [0, 3, 1, 2])] : []),
      { op: 'Conv', inputs: [last ? 'channels_first' : 'image', 'convolution'], outputs: ['convolved'] },
      { op: 'Relu', inputs: ['convolved'], outputs: [last ? 'activated' : map] },
      ...(last ? [transpose('activated', map, [0, 2, 3, 1])] : []),
      { op: 'GlobalAveragePool', inputs: [last ? 'activated' : map], outputs: ['pooled'] },
      { op: 'Flatten', inputs: ['pooled'], outputs: ['embedding'], attributes: { axis: 1 } },
      { op: 'Gemm', inputs: ['embedding', 'kernel', 'bias'], outputs: ['logits'] },
    ],
  });
}
