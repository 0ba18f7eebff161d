import * as tf from '@tensorflow/tfjs';
import { definePart, definePlugin, z } from '@retort/core';
import { OnnxRuntimeBackend, type OnnxRuntimeOptions } from './backend.js';
import { checkProviders } from './execution-providers.js';
import { registerFallbacks } from './fallback.js';
import { backendName, registerOnnxKernel } from './kernel.js';
import { kernels } from './kernels/index.js';
import { loadOnnxRuntime } from './native-session.js';

export { defaultOptions, OnnxRuntimeBackend } from './backend.js';
export { availableProviders } from './execution-providers.js';
export type { BackendStatistics, OnnxRuntimeOptions } from './backend.js';

let registered = false;

/**
 * Registers the backend with tfjs as `onnxruntime`. Calling it again changes nothing.
 *
 * @throws InputError when an execution provider that is asked for does not start
 */
export function register(options: Partial<OnnxRuntimeOptions> = {}): void {
  if (registered) return;
  checkProviders(options.executionProviders ?? []);
  registered = true;
  for (const each of kernels) registerOnnxKernel(each);
  registerFallbacks(new Set(kernels.map(({ name }) => name)));
  tf.registerBackend(backendName, () => new OnnxRuntimeBackend(options), 3);
}

/** The backend as a part of Retort. */
export const onnxRuntimeBackend = definePart('backend', {
  name: 'onnxruntime',
  summary: 'Whole recorded graphs on onnxruntime: native speed from npm alone.',
  options: z.strictObject({}),
  create: () => ({
    async start() {
      const { version } = loadOnnxRuntime();
      register();
      await tf.setBackend(backendName);
      await tf.ready();
      return { description: `onnxruntime ${version}, 1 thread` };
    },
  }),
});

export const plugin = definePlugin({
  name: '@retort/backend-onnxruntime',
  register: (registry) => void registry.add(onnxRuntimeBackend),
});
