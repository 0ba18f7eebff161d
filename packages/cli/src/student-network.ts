import { join, resolve } from 'node:path';
import { type Dataset, InputError, resolvePart, type Registry, type RunScope, type Teacher, z } from '@retort/core';
import { loadLayersModel } from '@retort/nn';

const savedStudent = z.looseObject({
  outputs: z.array(z.string()),
  classes: z.array(z.string()).optional(),
  tokenizer: z.string().optional(),
});

/** What evaluations read. */
const read = ['logits', 'imageEmbedding', 'textEmbedding', 'logitScale', 'boxes'];

/**
 * A saved student, made to answer for a data set: classes in its order, texts by its tokenizer. It is a teacher of the kind
 * `layers-model`, for that is what does this for any network.
 *
 * @param folder with model.json
 * @throws InputError when it was trained on other classes or with another tokenizer, or takes images of another size
 */
export async function createStudentNetwork(
  folder: string,
  { classes, imageShape, text }: Dataset,
  { registry, scope }: { registry: Registry; scope: RunScope },
): Promise<Teacher> {
  const file = resolve(folder, 'model.json');
  const { model, metadata } = await loadLayersModel(file);
  const layers = model.outputs.map(({ sourceLayer }) => sourceLayer.name);
  const [height, width] = model.inputs[model.inputNames.findIndex((name) => name !== 'tokens')].shape.slice(1);
  model.dispose();
  const saved = savedStudent.safeParse(metadata);
  if (!saved.success || saved.data.outputs.length !== layers.length) {
    throw new InputError(
      `${join(folder, 'model.json')} was not saved by a run: its metadata does not name its outputs`,
      {
        hints: ['list it in a manifest, as a teacher of kind "layers-model": retort eval --teacher MANIFEST#ID'],
      },
    );
  }
  if ((height ?? imageShape[0]) !== imageShape[0] || (width ?? imageShape[1]) !== imageShape[1]) {
    const size = `${height} x ${width}`;
    throw new InputError(
      `the student ${folder} takes images of ${size}, the data set's are ${imageShape[0]} x ${imageShape[1]}`,
      {
        hints: [`where the data set scales its images: --set dataset.size=${height}`],
      },
    );
  }
  const { outputs, classes: own, tokenizer } = saved.data;
  const taps = Object.fromEntries(outputs.map((name, i) => [name, layers[i]]).filter(([name]) => read.includes(name)));
  if ('logits' in taps) checkClasses(folder, own, classes);
  else if (!('imageEmbedding' in taps)) {
    throw new InputError(`the student ${folder} gives neither logits nor embeddings of images and texts`, {
      hints: [`it gives: ${outputs.join(', ')}`],
    });
  }
  if (tokenizer !== undefined && text && text.tokenizer.fingerprint !== tokenizer) {
    throw new InputError(`the student ${folder} was trained with another tokenizer than the data set's`, {
      hints: [
        "dataset.tokenizer: as in the manifest.lock.yaml of the student's run; the same words then have the same ids",
      ],
    });
  }
  const reference = resolvePart(registry, 'teacher', {
    use: 'layers-model',
    path: file,
    taps,
    // Students normalize for themselves.
    preprocessing: 'none',
    ...('logits' in taps && own && { classes: own }),
  });
  return scope.create(reference, {
    id: 'student',
    classes,
    imageShape,
    text,
    scope,
    baseFolder: '.',
    path: 'dataset',
  });
}

/** The same classes in any order, or, where the student names none, as many. */
function checkClasses(folder: string, own: readonly string[] | undefined, classes: readonly string[]): void {
  if (!own) return;
  const few = (names: readonly string[]) =>
    names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
  const [onlyOwn, onlyData] = [
    own.filter((name) => !classes.includes(name)),
    classes.filter((name) => !own.includes(name)),
  ];
  if (onlyOwn.length + onlyData.length === 0) return;
  throw new InputError(
    `the student ${folder} tells ${own.length} classes apart, the data set has ${classes.length || 'none'}, and they differ`,
    {
      hints: [
        ...(onlyOwn.length > 0 ? [`only the student has: ${few(onlyOwn)}`] : []),
        ...(onlyData.length > 0 ? [`only the data set has: ${few(onlyData)}`] : []),
      ],
    },
  );
}
