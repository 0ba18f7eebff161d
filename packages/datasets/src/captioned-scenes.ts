import { definePart, partReference, Seeds, sha256, z, type Dataset, type DatasetContext } from '@retort/core';
import { augmentOption } from './augmentation.js';
import { imageDataset, type ImageSource } from './image-dataset.js';
import { boxOf, composeNamedScene, paintNamedScene, type NamedSceneDifficulty } from './named-scene.js';
import { maskOf, sceneClasses } from './scene.js';
import { captionsOf, phraseOf, promptsOf, sceneVocabulary } from './scene-texts.js';
import { noLabelOptions, unlabelledOptions } from './unlabelled-options.js';

/** Counted up whenever the same options give other images, texts or boxes. */
const GENERATOR = 1;

/** The presets of `difficulty`. */
export const captionedSceneDifficulties: Record<'easy' | 'medium' | 'hard', NamedSceneDifficulty> = {
  easy: { noise: 0.02, clutter: 1, jitter: 0.04, ink: 0.25, rotation: Math.PI / 8, lookalikes: 0 },
  medium: { noise: 0.06, clutter: 3, jitter: 0.08, ink: 0.4, rotation: Math.PI / 4, lookalikes: 0.5 },
  hard: { noise: 0.1, clutter: 6, jitter: 0.12, ink: 0.5, rotation: Math.PI, lookalikes: 1 },
};

const count = z.int().min(1).max(3);

const options = z.strictObject({
  task: z
    .enum(['classification', 'retrieval', 'grounding'])
    .default('retrieval')
    .describe(
      'What batches have beside the images, which are the same: the class of the large object, five captions, or a phrase with ' +
        'the box and the mask of the object that it names.',
    ),
  classes: z
    .int()
    .min(3)
    .max(sceneClasses.length)
    .default(12)
    .describe('Classes of the large object: three textures for each shape.'),
  size: z.int().min(24).default(32).describe('Height and width in pixels.'),
  train: z.int().positive().default(3000).describe('Images in the train split, validation included.'),
  test: z.int().positive().default(1000).describe('Images in the test split.'),
  offset: z
    .int()
    .nonnegative()
    .default(0)
    .describe('Number of the first train image. Ranges that do not overlap have no image in common.'),
  objects: z
    .tuple([count, count])
    .refine(([fewest, most]) => fewest <= most, 'the first of the two must not be greater than the second')
    .default([1, 3])
    .describe('Fewest and most objects in an image.'),
  difficulty: z
    .enum(['easy', 'medium', 'hard'])
    .default('medium')
    .describe('Preset of the three options below and of more.'),
  noise: z.number().min(0).max(1).optional().describe('Deviation of the pixel noise, in parts of full brightness.'),
  clutter: z.int().min(0).max(50).optional().describe('Average number of bars that lie under the objects.'),
  lookalikes: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Chance that a further object has the color or the shape of the large one.'),
  tokenizer: partReference('tokenizer').prefault({ use: 'words' }).describe('Turns texts into ids.'),
  ...unlabelledOptions,
  augment: augmentOption([]),
  dataSeed: unlabelledOptions.dataSeed.describe(
    "Seed of images, texts and validation split; the run's seed has no part in them.",
  ),
});

/**
 * Images of one large textured object and up to two small plain ones, with everything known about them: a class, five captions,
 * phrases, boxes and masks. Nothing to download. Image and texts are functions of `dataSeed`, split and number, so tasks, and runs
 * of different seeds, share their images.
 *
 * In `classification` the prompts of a class are in the captions' words, one for each color; in `grounding` the phrase is true of
 * one object of its image alone.
 */
export const captionedScenes = definePart('dataset', {
  name: 'captioned-scenes',
  summary:
    'generated images of one to three objects, with captions, or phrases, boxes and masks, or classes and prompts',
  options,
  create: makeCaptionedScenes,
});

async function makeCaptionedScenes(
  {
    task,
    classes,
    size,
    train,
    test,
    offset,
    objects,
    difficulty: preset,
    noise,
    clutter,
    lookalikes,
    tokenizer: reference,
    ...common
  }: z.output<typeof options>,
  context: DatasetContext,
): Promise<Dataset> {
  const base = captionedSceneDifficulties[preset];
  const difficulty: NamedSceneDifficulty = {
    ...base,
    noise: noise ?? base.noise,
    clutter: clutter ?? base.clutter,
    lookalikes: lookalikes ?? base.lookalikes,
  };
  const seeds = new Seeds(common.dataSeed).within('captioned-scenes');
  const painted = { train: new Map<number, Uint8Array>(), test: new Map<number, Uint8Array>() };

  type Source = 'train' | 'test';
  /** A scene, and its stream after composition, which goes on with the noise. */
  function compose(source: Source, index: number) {
    const random = seeds.at(source, index);
    return { scene: composeNamedScene(random, index % classes, size, objects, difficulty), random };
  }
  function phrased(source: Source, index: number) {
    const { scene } = compose(source, index);
    const random = seeds.at(`phrase/${source}`, index);
    const target = scene.objects[random.integer(scene.objects.length)];
    return { target, phrase: phraseOf(scene, target, random) };
  }

  const classNames = sceneClasses.slice(0, classes);
  // The same texts whatever the options: what was trained on captions must read the ids of prompts and phrases.
  const tokenizer = await context.scope.create(reference, {
    texts: sceneVocabulary,
    baseFolder: context.baseFolder,
    path: reference.path,
  });
  const texts: Record<typeof task, Pick<ImageSource, 'captions' | 'located'>> = {
    classification: {},
    retrieval: {
      captions: (source, index) => captionsOf(compose(source, index).scene, seeds.at(`captions/${source}`, index)),
    },
    grounding: {
      captions: (source, index) => [phrased(source, index).phrase],
      located(source, index) {
        const mask = maskOf(phrased(source, index).target, size);
        return { mask, box: boxOf(mask, size) };
      },
    },
  };
  const range = (first: number, length: number) =>
    Array.from({ length }, (_, i) => ({ index: first + i, label: (first + i) % classes }));

  const dataset = imageDataset(
    {
      classes: task === 'classification' ? classNames : [],
      imageShape: [size, size, 3],
      // Measured over the presets; constant, so that it does not change with the options.
      normalization: { mean: [0.245, 0.22, 0.25], deviation: [0.205, 0.19, 0.195] },
      content: sha256(
        JSON.stringify([GENERATOR, task, common.dataSeed, classes, size, train, test, offset, objects, difficulty]),
      ),
      train: range(offset, train),
      test: range(0, test),
      text: { tokenizer, prompts: task === 'classification' ? classNames.map(promptsOf) : [] },
      ...texts[task],
      pixels(source, index) {
        let image = painted[source].get(index);
        if (!image) {
          const { scene, random } = compose(source, index);
          image = paintNamedScene(scene, size, random);
          painted[source].set(index, image);
        }
        return image;
      },
    },
    { ...common, ...noLabelOptions },
    context,
  );
  return {
    ...dataset,
    dispose() {
      painted.train.clear();
      painted.test.clear();
    },
  };
}
