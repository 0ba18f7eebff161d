import { resolve } from 'node:path';
import { InputError, type Student, type StudentContext, z } from '@retort/core';
import { buildStudent } from './build-student.js';
import { inferShapes, type NetworkSpec } from './network-spec.js';
import { largerNetworkOptions, readSomeBlocks } from './larger-network.js';
import { asPublished, readWeights } from './published-weights.js';
import { withSafetensors } from './safetensors-file.js';
import { traitsOf } from './traits.js';

/** What published networks were trained with: statistics of ImageNet's pixels in [0, 1]. */
export const imagenetNormalization = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/** Options of networks whose trained weights are published. @param names what the tensors are called */
export function publishedOptions(names: string) {
  return {
    weights: z.string().optional().describe(`safetensors file to start from, its tensors under ${names}.`),
    classifier: z
      .enum(['published', 'new'])
      .default('published')
      .describe("With weights: the file's classifier, or a new one for the data set's classes."),
  };
}

/** Options of transformers that can start from a part of a larger network. */
export const initializeFromOption = {
  initializeFrom: z
    .strictObject(largerNetworkOptions)
    .optional()
    .describe('Starts from some blocks of a deeper network of the same width, and from all that is around them.'),
};

interface PublishedFiles {
  weights?: string;
  initializeFrom?: { path: string; blocks?: number[] };
  classifier: 'published' | 'new';
}

/**
 * Builds a network from its specification, with the weights of a file if there is one. Such a network normalizes pixels with the
 * statistics of ImageNet, as it did when it was trained.
 *
 * @param specOf made of the data set and how pixels are normalized
 */
export async function buildPublished(
  specOf: (settings: Pick<StudentContext, 'classes' | 'imageShape' | 'normalization'>) => NetworkSpec,
  name: string,
  { classes, imageShape, normalization, seeds, baseFolder, path: where }: StudentContext,
  { weights, initializeFrom, classifier }: PublishedFiles,
): Promise<Student> {
  const path = fileToStartFrom({ weights, initializeFrom, where });
  const settings = { classes, imageShape, normalization: path === undefined ? normalization : imagenetNormalization };
  const spec = wholeSpec(() => specOf(settings), where);
  const values =
    path === undefined
      ? undefined
      : await withSafetensors(resolve(baseFolder, path), { where }, (file) =>
          initializeFrom
            ? readSomeBlocks(spec, file, {
                naming: asPublished,
                blocks: { blocks: initializeFrom.blocks },
                classifier,
                where,
              })
            : readWeights(spec, file, { classifier, where }),
        );
  const student = buildStudent(spec, name, seeds.stream('init'), values);
  return { ...student, ...traitsOf(student.model, seeds) };
}

/** The file that a network starts from, if any. @throws InputError when there are two */
export function fileToStartFrom({
  weights,
  initializeFrom,
  where,
}: Pick<PublishedFiles, 'weights' | 'initializeFrom'> & { where: string }): string | undefined {
  if (weights !== undefined && initializeFrom !== undefined) {
    throw new InputError('a network starts from weights of its own or from those of a larger one, not from both', {
      hints: ['leave out weights or initializeFrom'],
      where,
    });
  }
  return weights ?? initializeFrom?.path;
}

/** A specification that holds together. @throws InputError with its place in the manifest */
export function wholeSpec(make: () => NetworkSpec, where: string): NetworkSpec {
  try {
    const spec = make();
    inferShapes(spec);
    return spec;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.message, { hints: error.hints, where, cause: error });
  }
}
