import { definePlugin } from '@retort/core';
import { cait } from './cait.js';
import { cifarResnet } from './cifar-resnet.js';
import { clip } from './clip.js';
import { decoder } from './decoder.js';
import { deit } from './deit.js';
import { layersModelStudent } from './layers-model-student.js';
import { registerLayers } from './layers/register-layers.js';
import { mobilenetV2 } from './mobilenet-v2.js';
import { policyCnn } from './policy-cnn.js';
import { policyLstm } from './policy-lstm.js';
import { policyMlp } from './policy-mlp.js';
import { regnet } from './regnet.js';
import { resnet } from './resnet.js';
import { shufflenetV2 } from './shufflenet-v2.js';
import { smallCnn } from './small-cnn.js';
import { vgg } from './vgg.js';
import { wideResnet } from './wide-resnet.js';

export { buildStudent } from './build-student.js';
export { cait, caitSpec } from './cait.js';
export { cifarResnet, cifarResnetSpec } from './cifar-resnet.js';
export { clip, clipSizes } from './clip.js';
export { clipNormalization, clipSpec } from './clip-spec.js';
export type { ClipSettings, TowerSizes } from './clip-spec.js';
export { convNorm, convNormRelu, depthwiseNorm } from './conv-norm.js';
export { decoder } from './decoder.js';
export { decoderSpec } from './decoder-spec.js';
export type { DecoderSettings } from './decoder-spec.js';
export { deit, deitSpec } from './deit.js';
export { dropPathNoise } from './drop-path-noise.js';
export { checkImageInput } from './image-input.js';
export type { Shape } from './layer-rule.js';
export type { LayerConfig } from './layer-rules.js';
export { layersModelStudent } from './layers-model-student.js';
export { registerLayers } from './layers/register-layers.js';
export { mobilenetV2, mobilenetV2Spec } from './mobilenet-v2.js';
export { countNetwork, inferShapes } from './network-spec.js';
export type { LayerSpec, NetworkSpec } from './network-spec.js';
export { openClip } from './open-clip.js';
export type { OpenClipOptions, OpenedClip } from './open-clip.js';
export { policyCnn, policyCnnSpec } from './policy-cnn.js';
export { policyLstm, policyLstmSpec } from './policy-lstm.js';
export { policyMlp, policyMlpSpec } from './policy-mlp.js';
export { readPublishedWeights } from './published-weights.js';
export { regnet, regnetSpec } from './regnet.js';
export { resnet, resnetForm, resnetSpec } from './resnet.js';
export { shufflenetV2, shufflenetV2Spec } from './shufflenet-v2.js';
export { smallCnn, smallCnnSpec } from './small-cnn.js';
export { transformerBlock } from './transformer-block.js';
export type { TransformerBlockOptions } from './transformer-block.js';
export { vgg, vggSpec } from './vgg.js';
export { wideResnet, wideResnetSpec } from './wide-resnet.js';

/** Student networks; tfjs can load those with transformer layers from then on. */
export const plugin = definePlugin({
  name: '@retort/models',
  register(registry) {
    registerLayers();
    registry.add(cifarResnet).add(wideResnet).add(regnet).add(mobilenetV2).add(shufflenetV2).add(vgg);
    registry.add(resnet).add(deit).add(cait).add(clip).add(decoder);
    registry.add(policyMlp).add(policyCnn).add(policyLstm);
    registry.add(smallCnn).add(layersModelStudent);
  },
});
