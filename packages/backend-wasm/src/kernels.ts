import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { fusedBatchNorm } from './batch-norm.js';
import { tile, wideBroadcast } from './broadcast.js';
import { conv2DBackpropFilter, conv2DBackpropInput } from './conv2d-gradients.js';
import { depthwiseConv2dNativeBackpropFilter, depthwiseConv2dNativeBackpropInput } from './depthwise-gradients.js';
import { registerGradients } from './gradients.js';
import { shared } from './identity.js';
import { batchMatMul } from './mat-mul.js';
import { pooledReduction } from './reductions.js';
import { unsortedSegmentSum } from './unsorted-segment-sum.js';
import type { KernelArguments } from './workspace.js';

type KernelFunction = (args: KernelArguments) => tf.TensorInfo;

/** Kernels that training needs and tfjs's wasm backend does not have. */
const missing: Record<string, KernelFunction> = {
  Conv2DBackpropFilter: conv2DBackpropFilter,
  DepthwiseConv2dNativeBackpropFilter: depthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseConv2dNativeBackpropInput,
  UnsortedSegmentSum: unsortedSegmentSum,
};

/** Kernels it has, made faster; each gets tfjs's own for the cases it leaves alone. */
const faster: Record<string, (stock: KernelFunction) => KernelFunction> = {
  Conv2DBackpropInput: () => conv2DBackpropInput,
  BatchMatMul: batchMatMul,
  FusedBatchNorm: fusedBatchNorm,
  Sum: (stock) => pooledReduction('Sum', stock),
  Mean: (stock) => pooledReduction('Mean', stock),
  Identity: shared,
  Cast: (stock) => (args) => {
    const { dtype } = args.inputs.x as tf.TensorInfo;
    return (args.attrs as { dtype: string }).dtype === dtype ? shared(stock)(args) : stock(args);
  },
  Tile: (stock) => (args) => ((args.inputs.x as tf.TensorInfo).dtype === 'float32' ? tile : stock)(args),
  Add: wideBroadcast,
  Sub: wideBroadcast,
  Multiply: wideBroadcast,
  SquaredDifference: wideBroadcast,
};

/**
 * Registers tfjs's wasm backend and these kernels for it. Further calls do nothing. Does not make wasm the current
 * backend: `tf.setBackend('wasm')` does.
 */
export function register(): void {
  // The registry is the memory: it is right even where this module is loaded twice.
  if (tf.getKernel('Conv2DBackpropFilter', 'wasm')) return;
  for (const [kernelName, kernelFunc] of Object.entries(missing)) {
    tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernelFunc as tf.KernelFunc });
  }
  for (const [kernelName, make] of Object.entries(faster)) {
    const stock = tf.getKernel(kernelName, 'wasm');
    // replacing without unregistering first would print a warning
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ ...stock, kernelFunc: make(stock.kernelFunc as unknown as KernelFunction) as tf.KernelFunc });
  }
  registerGradients();
}
