import { resolve } from 'node:path';
import {
  definePart,
  type Head,
  InputError,
  nearestHint,
  readLog,
  type Weighting,
  type WeightingContext,
  z,
} from '@retort/core';
import * as tf from '@tensorflow/tfjs';

const byTeacher = z.record(z.string(), z.number().nonnegative());
const options = z
  .strictObject({
    weights: z
      .union([byTeacher, z.strictObject({ logit: byTeacher.optional(), feature: byTeacher.optional() })])
      .optional()
      .describe('By teacher id, or by head and teacher id; divided by their sum.'),
    from: z
      .string()
      .optional()
      .describe("A run's folder, relative to the manifest: its teacher weights, averaged over time and samples."),
  })
  .refine(({ weights, from }) => (weights === undefined) !== (from === undefined), 'give weights or from, one of them');

/** The same weights for every sample and step: what is left of an agent when its choices per sample are taken away. */
export const constantWeights = definePart('weighting', {
  name: 'constant',
  summary: "A control: fixed weights, such as another run's average.",
  options,
  needs: { teacher: ['logits'] },
  create: createConstant,
});

function createConstant(
  { weights, from }: z.output<typeof options>,
  { teachers, heads, baseFolder, path }: WeightingContext,
): Weighting {
  const ids = teachers.map(({ id }) => id);
  const given = from === undefined ? weights! : averageOfRun(resolve(baseFolder, from), `${path}.from`);
  const constants = Object.fromEntries(
    heads.map((head): [Head, number[]] => {
      const ofHead = (head in given ? given[head] : 'logit' in given ? given.logit : given) as Record<string, number>;
      return [head, normalized(ofHead, ids, from === undefined ? `${path}.weights` : `${path}.from`)];
    }),
  ) as Record<Head, number[]>;
  return {
    weigh: ({ batch: { size } }) => ({
      fused: Object.fromEntries(heads.map((head) => [head, tf.tile(tf.tensor2d([constants[head]]), [size, 1])])),
    }),
  };
}

function normalized(weights: Record<string, number>, ids: string[], path: string): number[] {
  for (const id of Object.keys(weights)) {
    if (!ids.includes(id)) throw new InputError(`${path}: no teacher is called "${id}"; ${nearestHint(id, ids)}`);
  }
  const values = ids.map((id) => weights[id] ?? 0);
  const total = values.reduce((a, b) => a + b, 0);
  if (!(total > 0)) throw new InputError(`${path}: some weight must be above 0`);
  return values.map((value) => value / total);
}

/** Mean over the epochs of a run's log, by head and teacher. */
function averageOfRun(folder: string, path: string): Partial<Record<Head, Record<string, number>>> {
  const epochs = readLog(folder).flatMap((event) => (event.type === 'epoch' && event.weights ? [event.weights] : []));
  if (epochs.length === 0) throw new InputError(`${path}: ${folder} has logged no teacher weights`);
  const mean = (head: Head) =>
    Object.fromEntries(
      Object.keys(epochs[0][head] ?? {}).map((id) => [
        id,
        epochs.reduce((sum, weights) => sum + weights[head][id], 0) / epochs.length,
      ]),
    );
  return Object.fromEntries(
    (['logit', 'feature'] as const).filter((head) => epochs[0][head]).map((head) => [head, mean(head)]),
  );
}
