import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { definePart, InputError, z } from '@retort/core';
import { registerLayers } from '@retort/models';
import { loadLayersModel } from '@retort/nn';
import { readsTexts } from './dual-network-teacher.js';
import { networkTeacher } from './network-teacher.js';
import { readsStates, stateTeacher } from './state-teacher.js';
import { readsSequences, sequenceTeacher } from './sequence-teacher.js';

const savedStudent = z.looseObject({
  classes: z.array(z.string()),
  outputs: z.array(z.string()),
  tokenizer: z.string().optional(),
});

/** What runs in environments save beside that. */
const savedPolicy = z.looseObject({
  environment: z.string(),
  observationShape: z.array(z.number()),
  actionSpace: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('discrete'), size: z.number() }),
    z.object({ kind: z.literal('simplex'), size: z.number() }),
    z.object({ kind: z.literal('box'), low: z.array(z.number()), high: z.array(z.number()) }),
  ]),
});

/** The student of an earlier run. */
export const runTeacher = definePart('teacher', {
  name: 'run',
  summary: 'the student of an earlier run, by its run folder',
  options: z.strictObject({
    path: z.string().describe('Run folder that `retort train` wrote.'),
    student: z
      .enum(['best', 'last'])
      .default('best')
      .describe('Which of its students: the best on the validation split, or the last.'),
  }),
  create: async ({ path, student }, context) => {
    const folder = resolve(context.baseFolder, path);
    const file = join(folder, 'student', student, 'model.json');
    if (!existsSync(file)) {
      const other = student === 'best' ? 'last' : 'best';
      const hint = existsSync(join(folder, 'student', other, 'model.json'))
        ? `it has one called "${other}": student: ${other}`
        : 'name the folder of a finished run';
      throw new InputError(`${folder} holds no student "${student}": no such file: ${file}`, {
        hints: [hint],
        where: context.path,
      });
    }
    registerLayers();
    const { model: loaded, fingerprint, metadata } = await loadLayersModel(file, { where: context.path });
    const saved = savedStudent.safeParse(metadata);
    const isWhole = ({ outputs }: z.output<typeof savedStudent>) =>
      outputs.length === loaded.outputs.length &&
      (outputs.includes('logits') || readsTexts(loaded) || readsStates(loaded));
    if (!saved.success || !isWhole(saved.data)) {
      loaded.dispose();
      throw new InputError(`${file} was not saved by a run: its metadata lacks class names or output names`, {
        hints: ['any other model.json is a teacher of kind "layers-model"'],
        where: context.path,
      });
    }
    const { classes, outputs, tokenizer } = saved.data;
    if (tokenizer !== undefined && context.text && context.text.tokenizer.fingerprint !== tokenizer) {
      loaded.dispose();
      throw new InputError(`${folder} was trained with another tokenizer than the data set's`, {
        hints: ["dataset.tokenizer: as in that run's manifest.lock.yaml; the same words then have the same ids"],
        where: context.path,
      });
    }
    const format = `student "${student}" of ${path}`;
    if (readsSequences(loaded)) return sequenceTeacher({ loaded, outputs, fingerprint, format }, context);
    const layers = Object.fromEntries(outputs.map((name, i) => [name, loaded.outputs[i].sourceLayer.name]));
    if (readsStates(loaded)) {
      const { data: policy } = savedPolicy.safeParse(metadata);
      const actedIn = policy && { ...policy, identity: policy.environment };
      const format = `student "${student}" of ${path}`;
      return stateTeacher({ loaded, layers, file, actedIn, fingerprint, format }, context);
    }
    if (context.environment) {
      loaded.dispose();
      throw new InputError(
        `teacher "${context.id}" looks at images, and this run's environment shows states: ${file}`,
        {
          where: context.path,
        },
      );
    }
    return networkTeacher({ loaded, layers, file, classes, fingerprint, format }, context);
  },
});
