import { definePlugin } from '@retort/core';
import { cifarResnet } from './cifar-resnet.js';
import { layersModelStudent } from './layers-model-student.js';
import { mobilenetV2 } from './mobilenet-v2.js';
import { regnet } from './regnet.js';
import { shufflenetV2 } from './shufflenet-v2.js';
import { smallCnn } from './small-cnn.js';
import { vgg } from './vgg.js';
import { wideResnet } from './wide-resnet.js';

export { buildStudent } from './build-student.js';
export { cifarResnet, cifarResnetSpec } from './cifar-resnet.js';
export { convNorm, convNormRelu, depthwiseNorm } from './conv-norm.js';
export { checkImageInput } from './image-input.js';
export type { LayerConfig, Shape } from './layer-rules.js';
export { layersModelStudent } from './layers-model-student.js';
export { mobilenetV2, mobilenetV2Spec } from './mobilenet-v2.js';
export { countNetwork, inferShapes } from './network-spec.js';
export type { LayerSpec, NetworkSpec } from './network-spec.js';
export { regnet, regnetSpec } from './regnet.js';
export { shufflenetV2, shufflenetV2Spec } from './shufflenet-v2.js';
export { smallCnn, smallCnnSpec } from './small-cnn.js';
export { vgg, vggSpec } from './vgg.js';
export { wideResnet, wideResnetSpec } from './wide-resnet.js';

/** Student networks. */
export const plugin = definePlugin({
  name: '@retort/models',
  register(registry) {
    registry.add(cifarResnet).add(wideResnet).add(regnet).add(mobilenetV2).add(shufflenetV2).add(vgg);
    registry.add(smallCnn).add(layersModelStudent);
  },
});
