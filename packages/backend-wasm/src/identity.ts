import type { TensorInfo } from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { KernelArguments } from './workspace.js';

/** Identity as one more reference to the same memory, as on tfjs's other backends. (tfjs's wasm backend copies.) */
export function shared(stock: (args: KernelArguments) => TensorInfo): (args: KernelArguments) => TensorInfo {
  return (args) => {
    const { dataId, shape, dtype } = args.inputs.x as TensorInfo;
    if (dtype === 'string') return stock(args);
    (args.backend as BackendWasm).incRef(dataId);
    return { dataId, shape, dtype };
  };
}
