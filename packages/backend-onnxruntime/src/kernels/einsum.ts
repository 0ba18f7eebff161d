import * as tf from '@tensorflow/tfjs';
import { kernel, type OnnxKernel } from '../kernel.js';
import { cast } from './structural.js';

export const einsumKernels: OnnxKernel[] = [
  kernel<tf.TensorInfo[], tf.EinsumAttrs>(tf.Einsum, (inputs, { equation }, backend) => {
    const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, inputs.length);
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, inputs as tf.Tensor[]);
    const values = inputs.map((input) => backend.value(input));
    // Of mixed types a product of floats, of booleans one of integers.
    const type = values.some((value) => value.type === 'float32') ? 'float32' : 'int32';
    const sizes = new Map(
      idDims.flatMap((dims, n) => dims.map((dim, axis): [string, number] => [allDims[dim], inputs[n].shape[axis]])),
    );
    const plain = equation.replace(/\s/g, '');
    const shape = [...plain.slice(plain.indexOf('->') + 2)].map((dim) => sizes.get(dim)!);
    return backend.output(
      backend.emit(
        'Einsum',
        values.map((value) => cast(backend, value, type)),
        shape,
        { equation: plain },
      ),
    );
  }),
];
