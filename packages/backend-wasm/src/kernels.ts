import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { fusedBatchNorm } from './batch-norm.js';
import { concat, pack, slice, splitV, unpack } from './blocks.js';
import { tile, wideBroadcast } from './broadcast.js';
import { conv2DBackpropFilter, conv2DBackpropInput } from './conv2d-gradients.js';
import { depthwiseConv2dNativeBackpropFilter, depthwiseConv2dNativeBackpropInput } from './depthwise-gradients.js';
import { gatherV2 } from './gather.js';
import { registerGradients } from './gradients.js';
import { shared } from './identity.js';
import { batchMatMul } from './mat-mul.js';
import { maxPoolGrad } from './max-pool-gradient.js';
import { pooledReduction } from './reductions.js';
import { unsortedSegmentSum } from './unsorted-segment-sum.js';
import type { KernelArguments } from './workspace.js';

type KernelFunction<Result = tf.TensorInfo> = (args: KernelArguments) => Result;

/** Kernels that training needs and tfjs's wasm backend does not have. */
const missing: Record<string, KernelFunction> = {
  Conv2DBackpropFilter: conv2DBackpropFilter,
  DepthwiseConv2dNativeBackpropFilter: depthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseConv2dNativeBackpropInput,
  UnsortedSegmentSum: unsortedSegmentSum,
};

/** Kernels it has, made faster or right (MaxPoolGrad, GatherV2); each gets tfjs's own for the cases it leaves alone. */
const faster: Record<string, (stock: KernelFunction) => KernelFunction> = {
  Slice: slice,
  Concat: concat,
  Pack: pack,
  MaxPoolGrad: () => maxPoolGrad,
  GatherV2: gatherV2,
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

/** The same for kernels with several results. */
const fasterOfMany: Record<string, (stock: KernelFunction<tf.TensorInfo[]>) => KernelFunction<tf.TensorInfo[]>> = {
  SplitV: splitV,
  Unpack: unpack,
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
  for (const [kernelName, make] of [...Object.entries(faster), ...Object.entries(fasterOfMany)]) {
    const stock = tf.getKernel(kernelName, 'wasm');
    // replacing without unregistering first would print a warning
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({ ...stock, kernelFunc: make(stock.kernelFunc as never) as tf.KernelFunc });
  }
  registerGradients();
}
