import type { OnnxKernel } from '../kernel.js';
import { binaryKernels } from './binary.js';
import { castKernels } from './cast.js';
import { comparisonKernels } from './comparison.js';
import { cumulativeKernels } from './cumulative.js';
import { reductionKernels } from './reductions.js';
import { selectKernels } from './select.js';
import { softmaxKernels } from './softmax.js';
import { unaryKernels } from './unary.js';

/** Kernels of arithmetic: element by element, and along axes. */
export const elementwiseKernels: OnnxKernel[] = [
  ...unaryKernels,
  ...binaryKernels,
  ...comparisonKernels,
  ...selectKernels,
  ...castKernels,
  ...reductionKernels,
  ...cumulativeKernels,
  ...softmaxKernels,
];
