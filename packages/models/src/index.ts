import { definePlugin } from '@retort/core';
import { cifarResnet } from './cifar-resnet.js';
import { layersModelStudent } from './layers-model-student.js';
import { smallCnn } from './small-cnn.js';

export { buildStudent } from './build-student.js';
export { cifarResnet, cifarResnetSpec } from './cifar-resnet.js';
export { convNorm, convNormRelu } from './conv-norm.js';
export { checkImageInput } from './image-input.js';
export type { LayerConfig, Shape } from './layer-rules.js';
export { layersModelStudent } from './layers-model-student.js';
export { countNetwork, inferShapes } from './network-spec.js';
export type { LayerSpec, NetworkSpec } from './network-spec.js';
export { smallCnn, smallCnnSpec } from './small-cnn.js';

/** Student networks. */
export const plugin = definePlugin({
  name: '@retort/models',
  register(registry) {
    registry.add(cifarResnet).add(smallCnn).add(layersModelStudent);
  },
});
