import { join } from 'node:path';
import { type Dataset, InputError, type Student } from '@retort/core';
import * as tf from '@tensorflow/tfjs';
import { loadLayersModel, saveLayersModel } from './layers-model-files.js';
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

/**
 * Writes a student with what a reader has to know of it: classes, names of its outputs, what it is fed, and which tokenizer its texts
 * went through.
 *
 * @param run name of the run that trained it
 * @throws RunError when the disk refuses
 */
export async function saveStudent(
  { model, offers, imports }: Student,
  { classes, imageShape, text }: Dataset,
  run: string,
  folder: string,
): Promise<void> {
  await saveLayersModel(model, folder, {
    metadata: {
      classes,
      outputs: Object.keys(offers),
      imageShape,
      input: 'pixels in [0, 1]',
      ...(imports !== undefined && { imports }),
      ...(text && 'textEmbedding' in offers && { tokenizer: text.tokenizer.fingerprint }),
      run,
    },
  });
}
