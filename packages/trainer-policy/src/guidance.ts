import {
  createLossTerms,
  type Guidance,
  InputError,
  outputNamed,
  outputTensors,
  type Student,
  type Teacher,
  type TrainerContext,
} from '@retort/core';
import { networkOutput } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { actionNames, stateBatch } from './compose-acting.js';
import type { EnvironmentSpaces } from '@retort/core';

/** Losses against teachers' outputs of the states that are acted on. */
export interface TeacherGuidance {
  guidance: Guidance;
  /** What the losses read of the teachers, by `TEACHER/OUTPUT`, of observations [N, …shape]. The caller owns the tensors. */
  reference(observations: Float32Array): Promise<Record<string, tf.Tensor>>;
}

/**
 * The manifest's losses as an agent's guidance: their weighted sum, each a mean over teachers.
 *
 * @throws InputError without a teacher, and for losses that read none, train something of their own or have to be fitted
 */
export async function createTeacherGuidance(
  { manifest, scope, seeds }: TrainerContext,
  share: number,
  student: Student,
  teachers: readonly Teacher[],
  spaces: EnvironmentSpaces,
): Promise<TeacherGuidance> {
  if (teachers.length === 0) throw new InputError('trainer.guidance: there is no teacher to be guided by');
  if (manifest.losses.length === 0) {
    throw new InputError('trainer.guidance: losses say how a teacher guides, and none is listed', {
      hints: ['losses: [{ id: kd, use: kd }]'],
    });
  }
  const provided = teachers.map((teacher) => ({ id: teacher.id, provides: teacher.describe().provides }));
  const { actionSpace, observationSpace } = spaces;
  const terms = await createLossTerms(manifest.losses, student, provided, scope, seeds, actionNames(actionSpace));
  const wanted = new Map(teachers.map(({ id }) => [id, new Set<string>()]));
  for (const [i, reference] of manifest.losses.entries()) {
    const needs = scope.part(reference).needs?.teacher ?? [];
    if (needs.length === 0) {
      throw new InputError(`${reference.path}: "${reference.use}" reads no teacher; there are no labels to act by`);
    }
    if (terms[i].losses.some(({ loss }) => loss.fit ?? Object.keys(loss.variables ?? {}).length > 0)) {
      throw new InputError(
        `${reference.path}: "${reference.use}" has something of its own to learn, which an agent does not train`,
      );
    }
    const given = reference.keys.teacher as string | Record<string, string> | undefined;
    for (const [id, names] of wanted) {
      const named = typeof given === 'object' ? given[id] : given;
      for (const name of named === undefined ? needs : [named]) names.add(name);
    }
  }
  return {
    guidance: {
      share,
      perSample: (output, reference) =>
        tf.tidy(() => {
          const size = Object.values(reference)[0].shape[0]!;
          const said = teachers.map(({ id }) => {
            const names = [...wanted.get(id)!];
            return networkOutput(
              names,
              names.map((name) => reference[`${id}/${name}`]),
            );
          });
          return tf.addN(
            terms.flatMap(({ weight, losses }) =>
              losses.map(({ loss, student: own, teacher: theirs }, i) => {
                const { perSample, batch } = loss.apply(own(output), theirs(said[i]), { size }, { training: true });
                return (batch ? perSample.add<tf.Tensor1D>(batch) : perSample).mul<tf.Tensor1D>(weight / losses.length);
              }),
            ),
          );
        }),
    },
    async reference(observations) {
      const batch = stateBatch(observations, observationSpace.shape);
      const outputs = await Promise.all(teachers.map((teacher) => teacher.infer(batch)));
      const reference: Record<string, tf.Tensor> = {};
      for (const [i, output] of outputs.entries()) {
        const { id } = teachers[i];
        for (const name of wanted.get(id)!) reference[`${id}/${name}`] = outputNamed(output, name)!.clone();
        tf.dispose(outputTensors(output));
      }
      return reference;
    },
  };
}
