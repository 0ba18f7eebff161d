import * as tf from '@tensorflow/tfjs';
import type { OnnxKernel } from '../kernel.js';
import type { ElementType } from '../onnx-model.js';
import { arithmetic, castTo, convert, filled, result } from './expression.js';

export const castKernels: OnnxKernel[] = [
  arithmetic<{ x: tf.TensorInfo }, tf.CastAttrs>(
    tf.Cast,
    ({ x }, { dtype }, backend) => {
      if (x.dtype === dtype) {
        backend.incRef(x.dataId);
        return { dataId: x.dataId, shape: x.shape, dtype };
      }
      if (dtype === 'string') throw new Error(`Error in Cast: failed to cast ${x.dtype} to string`);
      if (dtype === 'complex64') {
        const real = result(backend, convert(backend, backend.value(x), 'float32'));
        return backend.makeComplex(real, result(backend, filled(backend, x.shape, 0)));
      }
      const source = x.dtype === 'complex64' ? { ...backend.complexParts(x.dataId).real, shape: x.shape } : x;
      return result(backend, castTo(backend, backend.value(source), dtype as ElementType));
    },
    { complex: true },
  ),
];
