import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { definePart } from '@retort/core';
import { availableProviders } from './execution-providers.js';
import { backendName } from './kernel.js';
import { loadOnnxRuntime } from './native-session.js';
import { onnxRuntimeOptions, register } from './registration.js';

/** The backend as a part of Retort. Loads nothing before it is started. */
export const onnxRuntimeBackend = definePart('backend', {
  name: 'onnxruntime',
  summary: 'Whole recorded graphs on onnxruntime: native speed from npm alone.',
  options: onnxRuntimeOptions,
  create: (options) => ({
    async start() {
      const version = `onnxruntime ${loadOnnxRuntime().version}`;
      register(options);
      // tfjs prints what its backends throw and returns false.
      if (!(await tf.setBackend(backendName))) throw new Error('tfjs could not start it');
      await tf.ready();
      const { threads, executionProviders } = options;
      const computes = executionProviders.join() === 'cpu' ? '' : `, ${executionProviders.join(' before ')}`;
      return {
        description: `${version}, ${threads} ${threads === 1 ? 'thread' : 'threads'}${computes}`,
        version,
        threads,
        details: [
          `threads: ${threads} of the ${availableParallelism()} that this machine runs at once; more with backend.threads`,
          `executionProviders: ${providersText()}`,
        ],
      };
    },
  }),
});

function providersText(): string {
  const names = (bundled: boolean) =>
    availableProviders()
      .filter((each) => each.bundled === bundled)
      .map(({ name }) => name)
      .join(', ');
  const further = names(false);
  return `${names(true)}${further ? `; where their libraries are installed, ${further}` : ''}`;
}
