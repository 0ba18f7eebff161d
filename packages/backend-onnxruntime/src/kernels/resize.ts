import * as tf from '@tensorflow/tfjs';
import { kernel, type OnnxKernel } from '../kernel.js';
import type { Value } from '../recording.js';
import { readImages } from './convolution-info.js';
import { cast, derivedConstant, separable } from './structural.js';

interface Attributes {
  alignCorners: boolean;
  halfPixelCenters: boolean;
  size: [number, number];
}

/** Input pixels per output pixel along an axis. */
function scale(size: number, newSize: number, alignCorners: boolean): number {
  return alignCorners && newSize > 1 ? (size - 1) / (newSize - 1) : size / newSize;
}

/** Bilinear weights of an axis, [newSize, size]. */
function bilinear(size: number, newSize: number, alignCorners: boolean, halfPixelCenters: boolean): number[] {
  const weights = new Array<number>(newSize * size).fill(0);
  for (let i = 0; i < newSize; i++) {
    const step = scale(size, newSize, alignCorners);
    const at = halfPixelCenters ? step * (i + 0.5) - 0.5 : step * i;
    const low = Math.max(0, Math.floor(at));
    weights[i * size + low] += 1 - (at - low);
    weights[i * size + Math.min(size - 1, Math.ceil(at))] += at - low;
  }
  return weights;
}

/** The input position that each output position shows. */
function nearest(size: number, newSize: number, alignCorners: boolean, halfPixelCenters: boolean): number[] {
  return Array.from({ length: newSize }, (_, i) => {
    const at = scale(size, newSize, alignCorners) * (halfPixelCenters ? i + 0.5 : i);
    return Math.max(0, Math.min(size - 1, alignCorners ? Math.round(at) : Math.floor(at)));
  });
}

function transposed(weights: ArrayLike<number>, rows: number, columns: number): number[] {
  return Array.from({ length: rows * columns }, (_, i) => weights[(i % rows) * columns + Math.floor(i / rows)]);
}

/** The gradients know no half-pixel centers, on any backend of tfjs. */
function gradientWeights(kind: 'bilinear' | 'nearest', size: number, newSize: number, alignCorners: boolean): Value {
  return derivedConstant(`${kind} gradient ${size} ${newSize} ${alignCorners}`, [size, newSize], 'float32', () => {
    if (kind === 'bilinear') return transposed(bilinear(size, newSize, alignCorners, false), newSize, size);
    const shown = nearest(size, newSize, alignCorners, false);
    return Array.from({ length: size * newSize }, (_, i) => Number(shown[i % newSize] === Math.floor(i / newSize)));
  });
}

function gradient(name: string, kind: 'bilinear' | 'nearest'): OnnxKernel {
  return kernel<{ images: tf.TensorInfo; dy: tf.TensorInfo }, { alignCorners: boolean }>(
    name,
    ({ images, dy }, { alignCorners }, backend) => {
      const [rows, columns] = [1, 2].map((axis) =>
        gradientWeights(kind, images.shape[axis], dy.shape[axis], alignCorners),
      );
      return backend.output(separable(backend, readImages(backend, dy), rows, columns));
    },
  );
}

export const resizeKernels: OnnxKernel[] = [
  kernel<{ images: tf.TensorInfo }, Attributes>(
    tf.ResizeBilinear,
    ({ images }, { alignCorners, halfPixelCenters, size }, backend) => {
      const [rows, columns] = size.map((newSize, axis) => {
        const oldSize = images.shape[axis + 1];
        const name = `bilinear ${oldSize} ${newSize} ${alignCorners} ${halfPixelCenters}`;
        return derivedConstant(name, [newSize, oldSize], 'float32', () =>
          bilinear(oldSize, newSize, alignCorners, halfPixelCenters),
        );
      });
      return backend.output(separable(backend, readImages(backend, images), rows, columns));
    },
  ),
  kernel<{ images: tf.TensorInfo }, Attributes>(
    tf.ResizeNearestNeighbor,
    ({ images }, { alignCorners, halfPixelCenters, size }, backend) => {
      const shape = images.shape.slice();
      let value = backend.value(images);
      if (value.type === 'bool') value = cast(backend, value, 'int32');
      size.forEach((newSize, i) => {
        const axis = i + 1;
        const oldSize = images.shape[axis];
        const index = derivedConstant(
          `nearest ${oldSize} ${newSize} ${alignCorners} ${halfPixelCenters}`,
          [newSize],
          'int32',
          () => nearest(oldSize, newSize, alignCorners, halfPixelCenters),
        );
        shape[axis] = newSize;
        value = backend.emit('Gather', [value, index], shape.slice(), { axis });
      });
      return backend.output(value);
    },
  ),
  gradient(tf.ResizeBilinearGrad, 'bilinear'),
  gradient(tf.ResizeNearestNeighborGrad, 'nearest'),
];
