import * as tf from '@tensorflow/tfjs';
import { InputError, z } from '@retort/core';
import { defaultOptions, OnnxRuntimeBackend, type OnnxRuntimeOptions } from './backend.js';
import { checkProviders } from './execution-providers.js';
import { registerFallbacks } from './fallback.js';
import { registerGradients } from './gradients.js';
import { backendName, registerOnnxKernel } from './kernel.js';
import { kernels } from './kernels/index.js';

/** Options of the backend, in a manifest and in code alike. */
export const onnxRuntimeOptions = z.strictObject({
  threads: z
    .int()
    .min(1)
    .max(256)
    .default(defaultOptions.threads)
    .describe('CPU threads inside one operator. Results repeat bit for bit at a fixed number.'),
  executionProviders: z
    .array(z.enum(['cpu', 'webgpu', 'cuda', 'tensorrt', 'coreml', 'dml']))
    .min(1)
    .default(defaultOptions.executionProviders as ['cpu'])
    .describe(
      'What computes, the preferred first; cpu takes what the others leave. cpu and webgpu come with onnxruntime-node, ' +
        'cuda and tensorrt where their libraries are installed, coreml on macOS, dml on Windows.',
    ),
  graphOptimizationLevel: z
    .enum(['disabled', 'basic', 'extended', 'all'])
    .default(defaultOptions.graphOptimizationLevel)
    .describe('How far onnxruntime rewrites a graph when it compiles it.'),
  cacheSize: z
    .int()
    .min(1)
    .default(defaultOptions.cacheSize)
    .describe('Compiled graphs kept; the one that was not used for longest is dropped.'),
  maximalNodes: z
    .int()
    .min(1)
    .default(defaultOptions.maximalNodes)
    .describe('A recording of more nodes than this runs without a value having been asked for.'),
  dumpGraphs: z
    .string()
    .optional()
    .describe('Folder that every graph is written to as .onnx when it is compiled, its nodes named by tfjs kernel.'),
});

/** What the backend is made with when it is first used. */
let asked: OnnxRuntimeOptions = defaultOptions;

/**
 * Registers the backend with tfjs as `onnxruntime`. Can be called again: before the backend is first used, options given later
 * replace those given before; afterwards they have to be those it runs with. cpu kernels that were registered in between are
 * taken up.
 *
 * @throws InputError for an option that there is not, an execution provider that does not start, and options that come too late
 */
export function register(options: Partial<OnnxRuntimeOptions> = {}): void {
  const given = checked(options);
  const running = runningBackend();
  if (running) refuseChanges(running.options, given);
  else {
    checkProviders(given.executionProviders ?? []);
    asked = { ...asked, ...given };
  }
  registerGradients();
  const known = new Set(tf.getKernelsForBackend(backendName).map(({ kernelName }) => kernelName));
  for (const each of kernels) if (!known.has(each.name)) registerOnnxKernel(each);
  registerFallbacks(new Set([...known, ...kernels.map(({ name }) => name)]));
  if (!tf.findBackendFactory(backendName)) tf.registerBackend(backendName, () => new OnnxRuntimeBackend(asked), 3);
}

/** The backend if it has been used. Asking tfjs for it would make it. */
function runningBackend(): OnnxRuntimeBackend | undefined {
  return tf.engine().registry[backendName] as OnnxRuntimeBackend | undefined;
}

function checked(options: Partial<OnnxRuntimeOptions>): Partial<OnnxRuntimeOptions> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const parsed = onnxRuntimeOptions.safeParse(given);
  if (!parsed.success) throw new InputError(`the onnxruntime backend: ${z.prettifyError(parsed.error)}`);
  return given;
}

function refuseChanges(running: OnnxRuntimeOptions, given: Partial<OnnxRuntimeOptions>): void {
  for (const [key, value] of Object.entries(given)) {
    const [now, wanted] = [running[key as keyof OnnxRuntimeOptions], value].map((one) => JSON.stringify(one));
    if (now === wanted) continue;
    throw new InputError(`the onnxruntime backend runs already with ${key} ${now}; it cannot change to ${wanted}`, {
      hints: [
        'give options before the backend is first used',
        `or end it, and all tensors on it, with tf.removeBackend('${backendName}')`,
      ],
    });
  }
}
