import type { OnnxRuntimeBackend } from '../backend.js';
import type { Value } from '../recording.js';
import { squash } from './expression.js';

/** The activation at the end of tfjs's fused kernels. `alpha` (of prelu) broadcasts against x. */
export function activate(
  backend: OnnxRuntimeBackend,
  x: Value,
  activation: string | undefined,
  alpha?: Value,
  leakyreluAlpha = 0,
): Value {
  const { shape } = x;
  switch (activation) {
    case undefined:
    case null:
    case 'linear':
      return x;
    case 'relu':
      return backend.emit('Relu', [x], shape);
    case 'relu6':
      return backend.emit('Clip', [x, backend.scalar(0), backend.scalar(6)], shape);
    case 'elu':
      return backend.emit('Elu', [x], shape);
    case 'sigmoid':
      return squash(backend, 'Sigmoid', x);
    case 'leakyrelu':
      return backend.emit('LeakyRelu', [x], shape, { alpha: { float: leakyreluAlpha } });
    case 'prelu':
      return backend.emit('PRelu', [x, alpha], shape);
    default:
      throw new Error(`the onnxruntime backend has no fused activation ${activation}`);
  }
}
