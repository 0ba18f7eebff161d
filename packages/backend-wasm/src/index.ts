import { definePlugin } from '@retort/core';
import { wasmBackend } from './backend.js';

export { wasmBackend } from './backend.js';
export { register } from './kernels.js';

export const plugin = definePlugin({
  name: '@retort/backend-wasm',
  register(registry) {
    registry.add(wasmBackend);
  },
});
