import * as tf from '@tensorflow/tfjs';
import { kernel, type OnnxKernel } from '../kernel.js';

export const einsumKernels: OnnxKernel[] = [
  kernel<tf.TensorInfo[], tf.EinsumAttrs>(
    tf.Einsum,
    (inputs, { equation }, backend) => {
      const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, inputs.length);
      tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, inputs as tf.Tensor[]);
      const { dtype } = inputs[0];
      if (dtype === 'bool' || inputs.some((input) => input.dtype !== dtype)) return undefined;
      const sizes = new Map(
        idDims.flatMap((dims, n) => dims.map((dim, axis): [string, number] => [allDims[dim], inputs[n].shape[axis]])),
      );
      const plain = equation.replace(/\s/g, '');
      const shape = [...plain.slice(plain.indexOf('->') + 2)].map((dim) => sizes.get(dim)!);
      return backend.output(
        backend.emit(
          'Einsum',
          inputs.map((input) => backend.value(input)),
          shape,
          { equation: plain },
        ),
      );
    },
    { except: 'bool, inputs of several types' },
  ),
];
