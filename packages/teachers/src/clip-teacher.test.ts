import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import {
  type Batch,
  type DatasetText,
  type NetworkOutput,
  Seeds,
  sha256,
  type Student,
  type TeacherContext,
} from '@retort/core';
import { clip, clipNormalization, openClip } from '@retort/models';
import { forward, saveLayersModel, toTensor } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak, useBackend } from '@retort-tools/testing';
import { clipTeacher } from './clip-teacher.js';
import { disposeOutput } from './output-shapes.js';
import { runTeacher } from './run-teacher.js';
import { tinyClip, tinyClipFile } from './test-support/tiny-clip.js';
import { batchOf, makeTeacher, refusal, teacherContext } from './test-support/teacher-inputs.js';

/** Letters are ids; 29 ends a text and fills it up. */
const text: DatasetText = {
  tokenizer: {
    vocabularySize: tinyClip.vocabulary,
    contextLength: 5,
    endToken: 29,
    fingerprint: 'letters',
    encode: (texts) => ({
      data: Int32Array.from(
        texts.flatMap((each) => [...Array.from(each, (c) => c.charCodeAt(0) - 97), 29, 29, 29, 29, 29].slice(0, 5)),
      ),
      shape: [texts.length, 5],
    }),
  },
  prompts: [['ant', 'aa'], ['bee'], ['cat', 'ccc']],
};
const captions = ['abc', 'x', 'zz', 'dog', 'fox'];

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-clip-teacher-'));
  path = join(folder, 'clip.safetensors');
  writeFileSync(path, tinyClipFile());
});
afterEach(() => rmSync(folder, { recursive: true }));

const heads = { image: 2, text: 3 };
const context = (changes: Partial<TeacherContext> = {}) =>
  teacherContext({ baseFolder: folder, imageShape: [8, 8, 3], text, ...changes });
const make = (options = {}, changes = {}) =>
  makeTeacher(clipTeacher, { path: 'clip.safetensors', heads, ...options }, context(changes));

function batchWith(size: number, side = 8, texts?: string[]): Batch {
  const batch = batchOf(size, [side, side]);
  return texts ? { ...batch, inputs: { ...batch.inputs, tokens: text.tokenizer.encode(texts) } } : batch;
}

/** A network run as a whole. */
function run(network: Pick<Student, 'model' | 'offers'>, inputs: Batch['inputs']): NetworkOutput {
  const [image, tokens] = [toTensor(inputs.image!), toTensor(inputs.tokens!)];
  const output = forward(network, { image, tokens }, { training: false });
  tf.dispose([image, tokens]);
  return output;
}

/** What the file's network gives; images [B, 8, 8, 3]. */
async function reference(image: number[], images: number, texts: readonly string[]) {
  const opened = await openClip(path, { heads, contextLength: 5, endToken: 29 });
  const batch = {
    image: { data: Float32Array.from(image), shape: [images, 8, 8, 3] },
    tokens: text.tokenizer.encode(texts),
  };
  const output = run(opened, batch);
  const [imageEmbedding, textEmbedding] = [rowsOf(output.imageEmbedding!), rowsOf(output.textEmbedding!)];
  disposeOutput(output);
  opened.model.dispose();
  return { imageEmbedding, textEmbedding };
}

function rowsOf(tensor: tf.Tensor2D): number[][] {
  return tensor.arraySync();
}

const unit = (row: number[]) => row.map((x) => x / Math.hypot(...row));
const dot = (a: number[], b: number[]) => a.reduce((sum, x, d) => sum + x * b[d], 0);

/** The zero-shot logits written out, at the scale of 20. */
async function logitsOf(images: number[][]): Promise<number[]> {
  const centers: number[][] = [];
  for (const ofClass of text.prompts) {
    const { textEmbedding } = await reference(new Array<number>(192).fill(0), 1, ofClass);
    const units = textEmbedding.map(unit);
    centers.push(unit(units[0].map((_, d) => units.reduce((sum, each) => sum + each[d], 0))));
  }
  return images.flatMap((image) => centers.map((center) => 20 * dot(unit(image), center)));
}

const close = { absolute: 2e-4, relative: 2e-4 };

describeEachBackend('clip teacher', () => {
  it('gives what the network gives, and logits by prompts', async () => {
    const teacher = await make();
    const batch = batchWith(2, 8, captions);
    const pixels = Array.from(batch.inputs.image!.data);
    const expected = await reference(pixels, 2, captions);
    const check = async (output: NetworkOutput) => {
      await expectClose(output.imageEmbedding!, expected.imageEmbedding.flat(), close);
      await expectClose(output.logits!, await logitsOf(expected.imageEmbedding), { absolute: 1e-2, relative: 1e-3 });
      await expectClose(output.logitScale!, [20], close);
    };
    const output = await teacher.infer(batch);
    await check(output);
    await expectClose(output.textEmbedding!, expected.textEmbedding.flat(), close);
    const encoded = await teacher.encode!({ image: batch.inputs.image });
    await check(encoded);
    [output, encoded].forEach(disposeOutput);
    await teacher.dispose();
  });

  it("resizes images to the network's resolution", async () => {
    const teacher = await make({}, { imageShape: [16, 16, 3] });
    const batch = batchWith(2, 16);
    const { data } = batch.inputs.image!;
    // Halved sides: the mean of four pixels.
    const at = (i: number, y: number, x: number, c: number) => data[((i * 16 + y) * 16 + x) * 3 + c];
    const halved = [0, 1].flatMap((i) =>
      Array.from({ length: 192 }, (_, j) => {
        const [y, x, c] = [2 * Math.floor(j / 24), 2 * (Math.floor(j / 3) % 8), j % 3];
        return (at(i, y, x, c) + at(i, y, x + 1, c) + at(i, y + 1, x, c) + at(i, y + 1, x + 1, c)) / 4;
      }),
    );
    const output = await teacher.infer(batch);
    const expected = await reference(halved, 2, captions);
    await expectClose(output.imageEmbedding!, expected.imageEmbedding.flat(), close);
    disposeOutput(output);
    await teacher.dispose();
  });

  it('leaves nothing behind, made or refused', async () => {
    await expectNoLeak(async () => {
      const teacher = await make({ taps: { hidden: 'image_norm_before' } });
      const output = await teacher.infer(batchWith(2, 8, captions));
      expect(output.taps!.hidden.shape).toEqual([2, 5, 8]);
      disposeOutput(output);
      await teacher.dispose();
      await refusal(clipTeacher, { path, heads, sha256: '0'.repeat(64) }, context());
      await refusal(clipTeacher, { path, heads, taps: { hidden: 'nothing' } }, context());
    });
  });
});

describe('clip teacher', () => {
  beforeAll(() => useBackend('cpu'));

  it('describes itself', async () => {
    const teacher = await make({ sha256: sha256(tinyClipFile()) });
    const { provides, classes, fingerprint, settings, summary } = teacher.describe();
    expect(provides).toEqual({ logits: [3], imageEmbedding: [4], textEmbedding: [4], logitScale: [] });
    expect(classes).toEqual(['ant', 'bee', 'cat']);
    expect(fingerprint).toBe(sha256(tinyClipFile()));
    expect(settings).toContain(JSON.stringify(clipNormalization));
    expect(summary).toBe('CLIP, 0.00 M weights');
    await teacher.dispose();
    for (const options of [{ preprocessing: 'none' }, { activation: 'gelu' }, { imageSize: [12, 12] }]) {
      const other = await make(options);
      expect(other.describe().settings).not.toBe(settings);
      await other.dispose();
    }
  });

  it("refuses a tokenizer that is not the file's, and files that are not whole", async () => {
    const refused = (tokenizer: object, options = {}) =>
      refusal(
        clipTeacher,
        { path, heads, ...options },
        context({ text: { ...text, tokenizer: { ...text.tokenizer, ...tokenizer } } }),
      );
    expect(await refused({ vocabularySize: 31 })).toMatch(
      /it has 30, not 31, ids in its vocabulary\n.*dataset.tokenizer/,
    );
    expect(await refused({ contextLength: 7 })).toContain('reads texts of 6 ids at most, they have 7');
    expect(await refused({}, { path: 'none.safetensors' })).toContain('none.safetensors');
    truncateSync(path, 3000);
    expect(await refused({})).toContain('truncated');
  });

  it('is a run of a CLIP student as well', async () => {
    const student = await clip.create(
      clip.options.parse({ variant: 'tiny', width: 8, heads: 2, patchSize: 4, boxHead: true }) as never,
      {
        classes: ['ant', 'bee', 'cat'],
        imageShape: [8, 8, 3],
        normalization: { mean: [0.4, 0.5, 0.6], deviation: [0.2, 0.2, 0.2] },
        text,
        seeds: new Seeds(1),
        baseFolder: folder,
        path: 'student',
      },
    );
    mkdirSync(join(folder, 'student'));
    await saveLayersModel(student.model, join(folder, 'student', 'last'), {
      metadata: { classes: ['ant', 'bee', 'cat'], outputs: Object.keys(student.offers), tokenizer: 'letters' },
    });
    const teacher = await makeTeacher(runTeacher, { path: '.', student: 'last' }, context());
    const batch = batchWith(3, 8, captions.slice(0, 3));
    const output = await teacher.infer(batch);
    const own = run(student, batch.inputs);
    for (const name of ['imageEmbedding', 'textEmbedding', 'logitScale', 'boxes'] as const) {
      await expectClose(output[name]!, own[name]!);
    }
    expect(output.logits!.shape).toEqual([3, 3]);
    const plain = await teacher.infer(batchWith(3));
    expect(Object.keys(plain).sort()).toEqual(['imageEmbedding', 'logitScale', 'logits']);
    await expectClose(plain.logits!, output.logits!);
    [output, own, plain].forEach(disposeOutput);
    student.model.dispose();
    await teacher.dispose();
  });
});
