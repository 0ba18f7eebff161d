import { basename, dirname, join, resolve } from 'node:path';
import {
  type EnvironmentSpaces,
  InputError,
  outputNamed,
  outputTensors,
  type Student,
  type Teacher,
} from '@retort/core';
import { loadLayersModel } from '@retort/nn';
import {
  actionOutput,
  modeOf,
  type Player,
  type PolicyMetadata,
  readPolicyMetadata,
  stateBatch,
} from '@retort/trainer-policy';
import * as tf from '@tensorflow/tfjs';
import { findStudent, type WhichStudent } from './student-folder.js';

/** Where a network that acts lies, and what its file says of it. */
export interface FoundPolicy {
  /** For people: the run's, or the folder's. */
  name: string;
  /** Of its model.json. */
  folder: string;
  /** The run folder it lies in, if it lies in one. */
  run?: string;
  metadata: PolicyMetadata;
}

/** A network that acts, as a run saved it. */
export interface SavedPolicy extends FoundPolicy {
  student: Pick<Student, 'model' | 'offers'>;
}

/**
 * @param path RUN, or RUN/student/best
 * @param which student of a run; the best if there is one
 * @throws InputError when there is none, or it does not act
 */
export async function findPolicy(path: string, which?: WhichStudent): Promise<FoundPolicy> {
  const { student: folder, run } = findStudent(path, which);
  const metadata = await readPolicyMetadata(folder, path).catch((error: unknown) => {
    if (!(error instanceof InputError) || error.hints.length === 0) throw error;
    throw new InputError(`${path} holds no policy: it was not trained to act in an environment`, {
      hints: ['what its trainer measures on data: retort eval', 'networks that act are trained on an `environment`'],
      cause: error,
    });
  });
  return { name: metadata.run ?? basename(run ?? dirname(resolve(folder))), folder, run, metadata };
}

/** Loads it; the caller disposes the model. */
export async function openPolicy(found: FoundPolicy): Promise<SavedPolicy> {
  const { model } = await loadLayersModel(join(found.folder, 'model.json'));
  const offers = Object.fromEntries(
    found.metadata.outputs.map((name, i) => [name, model.outputs[i].shape.slice(1) as number[]]),
  ) as Student['offers'];
  return { ...found, student: { model, offers } };
}

/**
 * A teacher that acts by its mode.
 *
 * @throws InputError when it says nothing to act by
 */
export function teacherPlayer(teacher: Teacher, spaces: EnvironmentSpaces): Player {
  const output = actionOutput(spaces.actionSpace);
  const { provides } = teacher.describe();
  if (!(output in provides)) {
    throw new InputError(
      `teacher ${teacher.id} gives no ${output} to act by; it gives ${Object.keys(provides).join(', ')}`,
    );
  }
  return {
    async act(observations) {
      const outputs = await teacher.infer(stateBatch(observations.slice(), spaces.observationSpace.shape));
      const action = modeOf(outputNamed(outputs, output)!, spaces);
      const actions = (await action.data()) as Int32Array | Float32Array;
      tf.dispose([action, ...outputTensors(outputs)]);
      return actions.slice();
    },
    forget: () => undefined,
    dispose: () => undefined,
  };
}
