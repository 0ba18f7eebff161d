import { existsSync } from 'node:fs';
import { decodeSafetensors, encodeSafetensors, InputError, messageOf, readInputFile, writeWhole } from '@retort/core';
import { saveVariables, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** In a run's folder: student, taps and adapters as stage 1 left them. */
export const stageOneFile = 'stage1.safetensors';

/** Writes what stage 1 has trained, whole or not at all. */
export async function saveStageOne(path: string, variables: Record<string, tf.Variable>): Promise<void> {
  writeWhole(path, encodeSafetensors(await saveVariables(variables), { format: 'retort-kdrl-stage1' }));
}

/**
 * Gives a run what the stage 1 of another has trained.
 *
 * @returns what the file does not have: taps and adapters that are this run's only
 * @throws InputError naming the file when it is missing, damaged, or of another student or teacher
 */
export async function loadStageOne(
  path: string,
  variables: Record<string, tf.Variable>,
  where: string,
): Promise<string[]> {
  if (!existsSync(path)) {
    throw new InputError(`no such file: ${path}`, {
      hints: ['a run writes it when its stage 1 ends', 'name the folder of the run, not of its student'],
      where,
    });
  }
  const bytes = await readInputFile(path, { where });
  let tensors: ReturnType<typeof decodeSafetensors>['tensors'];
  try {
    ({ tensors } = decodeSafetensors(bytes));
  } catch (error) {
    throw new InputError(`${path} is no file of a first stage: ${messageOf(error)}`, { where, cause: error });
  }
  const lacking: string[] = [];
  for (const [key, variable] of Object.entries(variables)) {
    const value = tensors[key];
    if (!value && !key.startsWith('student/')) lacking.push(key);
    else if (value?.shape.join() !== variable.shape.join()) {
      throw new InputError(
        `${path} is of another ${key.startsWith('student/') ? 'student' : 'teacher, or was made with other losses'}: "${key}" is ${value ? `[${value.shape.join(', ')}]` : 'not in it'}, here it is [${variable.shape.join(', ')}]`,
        { where },
      );
    } else tf.tidy(() => variable.assign(toTensor(value)));
  }
  return lacking;
}
