import * as tf from '@tensorflow/tfjs';
import { getThreadsCount, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import { definePart, RunError, z } from '@retort/core';
import { register } from './kernels.js';

/** tfjs's wasm backend with the training kernels, as a part of a run. */
export const wasmBackend = definePart('backend', {
  name: 'wasm',
  summary: 'WebAssembly on one CPU thread: needs nothing installed, trains CNNs',
  options: z.strictObject({}),
  create: () => ({
    async start() {
      register();
      if (!(await tf.setBackend('wasm'))) {
        throw new RunError('the wasm backend did not start', { hints: ['use backend: cpu to run without it'] });
      }
      await tf.ready();
      const threads = getThreadsCount();
      const simd = (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) ? 'SIMD' : 'no SIMD';
      const version = `tfjs wasm ${version_wasm}`;
      return {
        description: `${version}, ${simd}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
        version,
        threads,
      };
    },
  }),
});
