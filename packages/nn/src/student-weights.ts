import { join } from 'node:path';
import { InputError, type Student } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { loadLayersModel } from './layers-model-files.js';
import { namedWeights } from './named-weights.js';

/**
 * Gives a student the weights of a saved one.
 *
 * @param folder of the saved student, model.json in it
 * @param where what asked for it, for errors
 * @throws InputError when the folder holds another network
 */
export async function loadStudentWeights(
  student: Pick<Student, 'model'>,
  folder: string,
  where: string,
): Promise<void> {
  const { model } = await loadLayersModel(join(folder, 'model.json'), { where });
  const [own, saved] = [namedWeights(student.model), namedWeights(model)];
  tf.tidy(() => {
    for (const [key, variable] of Object.entries({ ...own.trainable, ...own.frozen })) {
      const value = saved.trainable[key] ?? saved.frozen[key];
      if (!value || value.shape.join() !== variable.shape.join()) {
        throw new InputError(
          `${where}: ${folder} is another network: "${key}" is ${value ? `[${value.shape.join(', ')}]` : 'not in it'}`,
          {
            hints: [`this student's is [${variable.shape.join(', ')}]`],
          },
        );
      }
      variable.assign(value);
    }
  });
  model.dispose();
}
