import type { OnnxKernel } from '../kernel.js';
import { batchNormKernels } from './batch-norm.js';
import { convolutionKernels } from './convolution.js';
import { convolutionGradientKernels } from './convolution-gradients.js';
import { depthwiseKernels } from './depthwise.js';
import { groupedConvolutionKernels } from './grouped-convolution.js';
import { matMulKernels } from './mat-mul.js';
import { poolingKernels } from './pooling.js';
import { resizeKernels } from './resize.js';
import { elementwiseKernels } from './elementwise.js';
import { complexKernels } from './complex.js';
import { creationKernels } from './creation.js';
import { einsumKernels } from './einsum.js';
import { indexingKernels } from './indexing.js';
import { structureKernels } from './structure.js';

/** Every kernel that is recorded. */
export const kernels: readonly OnnxKernel[] = [
  ...structureKernels,
  ...indexingKernels,
  ...creationKernels,
  ...complexKernels,
  ...einsumKernels,
  ...elementwiseKernels,
  ...matMulKernels,
  ...convolutionKernels,
  ...convolutionGradientKernels,
  ...depthwiseKernels,
  ...groupedConvolutionKernels,
  ...poolingKernels,
  ...batchNormKernels,
  ...resizeKernels,
];
