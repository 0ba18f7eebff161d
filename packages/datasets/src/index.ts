import { definePlugin } from '@retort/core';
import { arithmetic } from './arithmetic.js';
import { captionedScenes } from './captioned-scenes.js';
import { captions } from './captions.js';
import { cifar10, cifar100 } from './cifar.js';
import { grounding } from './grounding.js';
import { imageFolder } from './image-folder.js';
import { scenes } from './scenes.js';
import { clipBpe } from './tokenizer-clip-bpe.js';
import { wordsTokenizer } from './tokenizer-words.js';

export { arithmetic } from './arithmetic.js';
export { augmentOption } from './augmentation.js';
export type { Augmentation } from './augmentation.js';
export { captionedSceneDifficulties, captionedScenes } from './captioned-scenes.js';
export { captions } from './captions.js';
export { cifar10, cifar100 } from './cifar.js';
export { cifar100Classes, cifar10Classes } from './cifar-classes.js';
export { grounding } from './grounding.js';
export { imageDataset } from './image-dataset.js';
export type { ImageSource } from './image-dataset.js';
export { imageFolder } from './image-folder.js';
export type { Located } from './located.js';
export { commonOptions, limitOption } from './options.js';
export type { CommonOptions, Limit } from './options.js';
export { classPrompts, promptSets, spokenName, textOfClasses, textOptions } from './prompts.js';
export type { TextOptions } from './prompts.js';
export { scenes } from './scenes.js';
export { sceneClasses } from './scene.js';
export type { Sample } from './split.js';
export { clipBpe } from './tokenizer-clip-bpe.js';
export { wordsOf, wordsTokenizer } from './tokenizer-words.js';

export const plugin = definePlugin({
  name: '@retort/datasets',
  register(registry) {
    registry.add(cifar10).add(cifar100).add(imageFolder).add(scenes).add(captionedScenes).add(captions).add(grounding);
    registry.add(arithmetic);
    registry.add(clipBpe).add(wordsTokenizer);
  },
});
