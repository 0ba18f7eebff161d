import type * as tf from '@tensorflow/tfjs';
import type { Seeds, Student } from '@retort/core';
import { dropPathNoise } from './drop-path-noise.js';
import { DropPath } from './layers/drop-path.js';
import { layerClasses } from './layers/register-layers.js';

/** What layers of ours bring along: random numbers in training, and an import before tfjs can load the network. */
export function traitsOf({ layers }: tf.LayersModel, seeds: Seeds): Pick<Student, 'noise' | 'imports'> {
  const ours = layers.filter((layer) => layerClasses.some((each) => layer instanceof each));
  const dropping = ours.filter((layer) => layer instanceof DropPath).map(({ name }) => name);
  return { ...dropPathNoise(dropping, seeds), ...(ours.length > 0 && { imports: '@retort/models/layers' }) };
}
