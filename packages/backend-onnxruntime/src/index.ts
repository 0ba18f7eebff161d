import { definePlugin } from '@retort/core';
import { onnxRuntimeBackend } from './part.js';

export { defaultOptions, OnnxRuntimeBackend } from './backend.js';
export type { BackendStatistics, OnnxRuntimeOptions } from './backend.js';
export { exportOnnx } from './export/export-onnx.js';
export type { OnnxExport, OnnxExportOptions } from './export/export-onnx.js';
export { opsets } from './export/opset.js';
export { availableProviders } from './execution-providers.js';
export { onnxRuntimeBackend } from './part.js';
export { register } from './registration.js';

export const plugin = definePlugin({
  name: '@retort/backend-onnxruntime',
  register: (registry) => void registry.add(onnxRuntimeBackend),
});
