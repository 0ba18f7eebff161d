import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from './backend.js';
import { runOnCpu } from './cpu-kernel.js';
import { backendName, withinMemory } from './kernel.js';

/**
 * Registers tfjs's cpu kernels for all that has no ONNX form here. Each use runs what is recorded first, and is counted by name.
 *
 * @param recorded names of the kernels that this backend records
 */
export function registerFallbacks(recorded: ReadonlySet<string>): void {
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (recorded.has(kernelName)) continue;
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const given = (inputs ?? {}) as tf.NamedTensorInfoMap;
        return withinMemory(kernelName, given as Record<string, tf.TensorInfo>, attrs, () =>
          runOnCpu(kernelName, given, attrs, backend as OnnxRuntimeBackend),
        );
      },
    });
  }
}
