import { resolve } from 'node:path';
import { definePart, definePlugin, InputError, readInputFile, sha256, z } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { features, featuresOf } from './features.js';

const centroidFile = z.object({
  features: z.enum(Object.keys(features)),
  classes: z.array(z.string()),
  deviation: z.array(z.number().positive()),
  centroids: z.array(z.array(z.number())),
});

/**
 * A teacher whose logits are −scale · d² / 2, d being the distance of an image's features to the centroid of a class with
 * every feature in units of its deviation: what a Gaussian classifier with one diagonal covariance says.
 */
const nearestCentroid = definePart('teacher', {
  name: 'nearest-centroid',
  summary: 'the nearest of the centroids in a JSON file',
  options: z.strictObject({
    path: z.string().describe('JSON file that fit.js wrote.'),
    scale: z.number().positive().default(0.3).describe('Factor of the logits: the larger, the surer the teacher.'),
  }),
  async create({ path, scale }, { id, classes, baseFolder, path: where }) {
    const file = resolve(baseFolder, path);
    const bytes = await readInputFile(file, { where });
    const { features: name, deviation, centroids, classes: own } = parse(file, bytes, where);
    if (own.join() !== classes.join()) {
      throw new InputError(`teacher "${id}" knows ${own.join(', ')}; the data set has ${classes.join(', ')}`, {
        where,
      });
    }
    const logitsOf = (row) =>
      centroids.map((centroid) => {
        const squared = row.reduce((sum, x, d) => sum + ((x - centroid[d]) / deviation[d]) ** 2, 0);
        return (-scale * squared) / 2;
      });
    return {
      id,
      describe: () => ({
        classes,
        provides: { logits: [classes.length] },
        fingerprint: sha256(`${scale} ${bytes}`),
        summary: `centroids of ${name}, ${deviation.length} features`,
      }),
      // The host copy of the images is at hand, so nothing is read back from the device.
      infer: async ({ inputs }) => ({ logits: tf.tensor2d(featuresOf(inputs.image, name).map(logitsOf)) }),
      dispose() {},
    };
  },
});

function parse(file, bytes, where) {
  try {
    return centroidFile.parse(JSON.parse(bytes.toString()));
  } catch (cause) {
    throw new InputError(`${file} holds no centroids`, { hints: ['write it with: node fit.js'], where, cause });
  }
}

export const plugin = definePlugin({
  name: 'retort-nearest-centroid',
  register: (registry) => void registry.add(nearestCentroid),
});
