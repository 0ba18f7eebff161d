import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type DatasetText, encodeSafetensors, type HostTensor, InputError, type Student } from '@retort/core';
import { namedWeights } from '@retort/nn';
import { expectClose, useBackend } from '@retort-tools/testing';
import { clip } from './clip.js';
import { deit } from './deit.js';
import { references, tensor, tensorsOf } from './test-support/published-files.js';
import { studentContext } from './test-support/student-context.js';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'retort-larger-'));
  await useBackend('cpu');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The tensors of a file of two blocks for one of so many. */
function deeper(tensors: Record<string, HostTensor>, block: RegExp, depth: number): Record<string, HostTensor> {
  const all = Object.entries(tensors).flatMap(([name, { shape }]) => {
    const number = block.exec(name)?.[1];
    if (number === undefined) return [[name, tensor(name, shape)]];
    if (number !== '0') return [];
    return Array.from({ length: depth }, (_, i) => {
      const other = name.replace(block, (found) => found.replace(/\d+/, `${i}`));
      return [other, tensor(other, shape)];
    });
  });
  return Object.fromEntries(all) as Record<string, HostTensor>;
}

const exact = { absolute: 0, relative: 0 };
const tokenizer = { vocabularySize: 20, contextLength: 6, endToken: 19, fingerprint: '', encode: () => null as never };
const text: DatasetText = { tokenizer, prompts: [] };
const path = 'large.safetensors';

const make = async (part: typeof deit | typeof clip, tensors: Record<string, HostTensor>, options: object) => {
  writeFileSync(join(folder, path), encodeSafetensors(tensors));
  const sizes = { width: 12, heads: 3, patchSize: 4 };
  return (await part.create(
    part.options.parse({ ...sizes, ...options }) as never,
    studentContext({ imageShape: [16, 16, 3], text, baseFolder: folder }),
  )) as Student;
};

describe('a network that starts from a larger one', () => {
  it.each([
    [{ path }, [0, 2, 4, 6]],
    [{ path, blocks: [1, 3, 2, 6] }, [1, 3, 2, 6]],
  ])('%# has some of its blocks, and all that is around them', async (initializeFrom, kept) => {
    const tensors = deeper(tensorsOf(references.deit), /^blocks\.(\d+)\./, 7);
    const student = await make(deit, tensors, { depth: 4, initializeFrom, classifier: 'new' });
    const { trainable } = namedWeights(student.model);
    for (const [i, block] of kept.entries()) {
      const expected = tensors[`blocks.${block}.norm2.weight`].data;
      await expectClose(trainable[`block${i + 1}_norm2/gamma`], expected, exact);
    }
    await expectClose(trainable['norm/beta'], tensors['norm.bias'].data, exact);
    await expectClose(trainable['positions/positions'], tensors.pos_embed.data, exact);
    student.model.dispose();
  });

  it('takes them apart in the two encoders of a CLIP', async () => {
    const image = deeper(tensorsOf(references['clip-hugging-face']), /^vision_model\.encoder\.layers\.(\d+)\./, 5);
    const tensors = deeper(image, /^text_model\.encoder\.layers\.(\d+)\./, 4);
    const sizes = { depth: 3, textWidth: 8, textDepth: 1, textHeads: 2, embedding: 6 };
    const student = await make(clip, tensors, { ...sizes, initializeFrom: { path, textBlocks: [3] } });
    const { trainable } = namedWeights(student.model);
    for (const [i, block] of [0, 2, 4].entries()) {
      const expected = tensors[`vision_model.encoder.layers.${block}.layer_norm1.bias`].data;
      await expectClose(trainable[`image_block${i + 1}_norm1/beta`], expected, exact);
    }
    const expected = tensors['text_model.encoder.layers.3.layer_norm1.bias'].data;
    await expectClose(trainable['text_block1_norm1/beta'], expected, exact);
    student.model.dispose();
  });

  it.each([
    [{ depth: 8 }, { path }, 'has 7 blocks ("blocks"), this network 8: it is to start from a larger one'],
    [{}, { path, blocks: [1] }, 'is to give 1 blocks ("blocks"), this network has 2'],
    [{}, { path, blocks: [1, 7] }, 'has blocks 0 to 6 ("blocks") and no 7'],
    [{ width: 6 }, { path }, "is [12, 3, 4, 4], this network's is [6, 3, 4, 4]\n  only the number of blocks"],
    [{ weights: path }, { path }, 'not from both'],
  ])('is refused where %j does not fit %j', async (options, initializeFrom, message) => {
    const tensors = deeper(tensorsOf(references.deit), /^blocks\.(\d+)\./, 7);
    const error = await make(deit, tensors, { depth: 2, classifier: 'new', ...options, initializeFrom }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).text).toContain(message);
    expect((error as InputError).where).toBe('student');
  });

  it('leaves no tensors when it is refused', () => expect(tf.memory().numTensors).toBe(0));
});
