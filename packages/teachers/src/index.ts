import { definePlugin } from '@retort/core';
import { clipTeacher } from './clip-teacher.js';
import { diskCache } from './disk-cache.js';
import { layersModelTeacher } from './layers-model-teacher.js';
import { noisyTeacher } from './noisy-teacher.js';
import { onnxTeacher } from './onnx-teacher.js';
import { runTeacher } from './run-teacher.js';
import { specialistTeacher } from './specialist-teacher.js';

export { classOrder, reorderLogits } from './class-order.js';
export { clipTeacher } from './clip-teacher.js';
export { diskCache } from './disk-cache.js';
export { layersModelTeacher } from './layers-model-teacher.js';
export { noisyTeacher } from './noisy-teacher.js';
export { onnxTeacher } from './onnx-teacher.js';
export { normalizationOf, preprocessingOption } from './preprocessing.js';
export type { Normalization } from './preprocessing.js';
export { runTeacher } from './run-teacher.js';
export { specialistTeacher } from './specialist-teacher.js';
export { zeroShotClassifier } from './zero-shot-classifier.js';
export type { ZeroShotClassifier } from './zero-shot-classifier.js';

/** Teachers: LayersModel, ONNX, CLIP's safetensors, run folders, and what is made of them; a cache of their outputs. */
export const plugin = definePlugin({
  name: '@retort/teachers',
  register(registry) {
    registry.add(layersModelTeacher).add(onnxTeacher).add(clipTeacher).add(runTeacher);
    registry.add(noisyTeacher).add(specialistTeacher);
    registry.add(diskCache);
  },
});
