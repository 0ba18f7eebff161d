import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Batch, NetworkOutput, Teacher, TeacherContext } from '@retort/core';
import { saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak, useBackend } from '@retort-tools/testing';
import { layersModelTeacher } from './layers-model-teacher.js';
import { onnxTeacher } from './onnx-teacher.js';
import { disposeOutput } from './output-shapes.js';
import { runTeacher } from './run-teacher.js';
import { batchOf, makeTeacher, pixelsOf, refusal, teacherContext } from './test-support/teacher-inputs.js';
import {
  encoders,
  imageEmbeddingOf,
  textEmbeddingOf,
  tinyDualModel,
  tinyImageOnnx,
  tinyText,
  tinyTextOnnx,
  tinyTokenizer,
  zeroShotLogitsOf,
} from './test-support/tiny-encoders.js';

const taps = { imageEmbedding: 'image_projection', textEmbedding: 'text_mean', logitScale: 'scale' };
const outputs = ['imageEmbedding', 'textEmbedding', 'logitScale', 'embedding'];
const captions = ['a', 'b c', 'd d e', 'e', 'c a b'];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-encoders-'));
  writeFileSync(join(folder, 'image.onnx'), tinyImageOnnx());
  writeFileSync(join(folder, 'text.onnx'), tinyTextOnnx());
});
afterEach(() => rmSync(folder, { recursive: true }));

const context = (changes: Partial<TeacherContext> = {}) =>
  teacherContext({ baseFolder: folder, text: tinyText, ...changes });
const save = async (where = folder, metadata = {}, boxes = false) => {
  const model = tinyDualModel({ boxes });
  await saveLayersModel(model, where, { metadata });
  model.dispose();
};
const layersOptions = { path: 'model.json', preprocessing: 'none', taps };
const onnxOptions = {
  path: 'image.onnx',
  preprocessing: 'none',
  text: { path: 'text.onnx', logitScale: encoders.scale },
};
const runMetadata = { classes: ['ant', 'bee', 'cat'], outputs };

/** The same two encoders in every form. */
const forms: Record<string, (changes?: Partial<TeacherContext>) => Promise<Teacher>> = {
  'layers-model': async (changes) => {
    await save();
    return makeTeacher(layersModelTeacher, layersOptions, context(changes));
  },
  run: async (changes) => {
    mkdirSync(join(folder, 'student', 'best'), { recursive: true });
    await save(join(folder, 'student', 'best'), runMetadata);
    return makeTeacher(runTeacher, { path: '.' }, context(changes));
  },
  'onnx, int64': (changes) => makeTeacher(onnxTeacher, onnxOptions, context(changes)),
  'onnx, int32 in batches of 2, scale from the graph': (changes) => {
    writeFileSync(join(folder, 'text.onnx'), tinyTextOnnx({ type: 'int32', batch: 2, length: encoders.length }));
    const named = { imageEmbedding: 'image_embeds', logitScale: 'logit_scale' };
    const text = { path: 'text.onnx', input: 'input_ids', output: 'text_embeds' };
    return makeTeacher(onnxTeacher, { ...onnxOptions, outputs: named, text }, context(changes));
  },
};

function batchWith(size: number, texts?: string[]): Batch {
  const batch = batchOf(size);
  return texts ? { ...batch, inputs: { ...batch.inputs, tokens: tinyTokenizer.encode(texts) } } : batch;
}

async function expectImages({ imageEmbedding, logits }: NetworkOutput, batch: Batch): Promise<void> {
  const expected = Array.from({ length: batch.size }, (_, i) => imageEmbeddingOf(pixelsOf(batch, i)));
  await expectClose(imageEmbedding!, expected.flat());
  await expectClose(
    logits!,
    expected.flatMap((image) => zeroShotLogitsOf(image)),
  );
}

describeEachBackend('teacher of two encoders', () => {
  it.each(Object.keys(forms))('embeds images and texts and tells classes by prompts: %s', async (form) => {
    const teacher = await forms[form]();
    for (const batch of [batchWith(3, captions), batchWith(2, captions.slice(0, 2)), batchWith(2)]) {
      const output = await teacher.infer(batch);
      await expectImages(output, batch);
      expect(output.logitScale!.shape).toEqual([]);
      await expectClose(output.logitScale!, [encoders.scale]);
      const texts = batch.inputs.tokens?.shape[0];
      expect(output.textEmbedding?.shape).toEqual(texts && [texts, 2]);
      if (texts) await expectClose(output.textEmbedding!, captions.slice(0, texts).flatMap(textEmbeddingOf));
      disposeOutput(output);
    }
    await teacher.dispose();
  });

  it.each(Object.keys(forms))('encodes either side: %s', async (form) => {
    const teacher = await forms[form]();
    const batch = batchOf(2);
    const tokens = tinyTokenizer.encode(captions);
    const images = await teacher.encode!({ image: batch.inputs.image });
    await expectImages(images, batch);
    expect(images.textEmbedding).toBeUndefined();
    const texts = await teacher.encode!({ tokens });
    expect(Object.keys(texts)).toEqual(['textEmbedding', 'logitScale']);
    await expectClose(texts.textEmbedding!, captions.flatMap(textEmbeddingOf));
    const both = await teacher.encode!({ image: batch.inputs.image, tokens });
    await expectImages(both, batch);
    expect(both.textEmbedding!.shape).toEqual([5, 2]);
    [images, texts, both].forEach(disposeOutput);
    await teacher.dispose();
  });

  it('taps layers of images, and gives boxes where every image has its text', async () => {
    await save(folder, {}, true);
    const all = { ...taps, embedding: 'color', boxes: 'box' };
    const teacher = await makeTeacher(layersModelTeacher, { ...layersOptions, taps: all }, context());
    expect(teacher.describe().provides).toEqual({
      logits: [3],
      imageEmbedding: [2],
      embedding: [3],
      boxes: [4],
      textEmbedding: [2],
      logitScale: [],
    });
    const batch = batchWith(2, captions.slice(0, 2));
    const output = await teacher.infer(batch);
    await expectImages(output, batch);
    expect(output.embedding!.shape).toEqual([2, 3]);
    const sums = [0, 1].map((i) => {
      const text = textEmbeddingOf(captions[i]);
      return imageEmbeddingOf(pixelsOf(batch, i)).map((x, d) => x + text[d]);
    });
    await expectClose(
      output.boxes!,
      sums.flatMap(([a, b]) => [a, b, 2 * a, 2 * b]),
    );
    disposeOutput(output);
    const owners = { imageOfText: { data: Int32Array.of(1, 0), shape: [2] } };
    for (const other of [{ ...batch, targets: owners }, batchWith(2, captions), batchWith(2)]) {
      const without = await teacher.infer(other);
      expect(without.boxes).toBeUndefined();
      await expectImages(without, other);
      disposeOutput(without);
    }
    await teacher.dispose();
  });

  it('leaves nothing behind, made or refused', async () => {
    for (const form of Object.keys(forms)) {
      await expectNoLeak(async () => {
        const teacher = await forms[form]();
        disposeOutput(await teacher.infer(batchWith(2, captions)));
        disposeOutput(await teacher.encode!({ tokens: tinyTokenizer.encode(captions) }));
        await teacher.infer(batchWith(2, ['a'])).then(disposeOutput);
        await teacher.dispose();
        const noPrompts = { ...tinyText, prompts: [['a'], [], ['b']] };
        await expect(forms[form]({ text: noPrompts })).rejects.toThrow('class "bee" has none');
      });
    }
  });
});

describe('teacher of two encoders', () => {
  beforeAll(() => useBackend('cpu'));

  it.each(Object.keys(forms))('describes itself: %s', async (form) => {
    const teacher = await forms[form]();
    const { classes, provides, settings, fingerprint } = teacher.describe();
    expect(classes).toEqual(['ant', 'bee', 'cat']);
    expect(provides).toMatchObject({ logits: [3], imageEmbedding: [2], textEmbedding: [2], logitScale: [] });
    await teacher.dispose();

    // Other prompts are other logits.
    const prompts = [['a'], ['b'], ['c']];
    const other = await forms[form]({ text: { ...tinyText, prompts } });
    expect(other.describe().fingerprint).toBe(fingerprint);
    expect(other.describe().settings).not.toBe(settings);
    await other.dispose();

    const captioned = await forms[form]({ classes: [], text: { ...tinyText, prompts: [] } });
    expect(captioned.describe().classes).toBeUndefined();
    expect(Object.keys(captioned.describe().provides)).not.toContain('logits');
    await captioned.dispose();
  });

  it.each(Object.keys(forms))('is an encoder of images where the data set has no texts: %s', async (form) => {
    const teacher = await forms[form]({ text: undefined });
    expect(Object.keys(teacher.describe().provides)).not.toContain('textEmbedding');
    const output = await teacher.infer(batchOf(1));
    await expectClose(output.imageEmbedding!, imageEmbeddingOf(pixelsOf(batchOf(1), 0)));
    expect(output.logits).toBeUndefined();
    disposeOutput(output);
    await expect(teacher.infer(batchWith(1, captions))).rejects.toThrow('made for a data set without texts');
    await teacher.dispose();
  });

  it('normalizes images for itself', async () => {
    const preprocessing = { mean: [0.1, 0.2, 0.3], deviation: [0.5, 0.6, 0.7] };
    await save();
    const batch = batchOf(1);
    const expected = imageEmbeddingOf(pixelsOf(batch, 0, preprocessing.mean, preprocessing.deviation));
    for (const [part, options] of [
      [layersModelTeacher, layersOptions],
      [onnxTeacher, onnxOptions],
    ] as const) {
      const teacher = await makeTeacher(part, { ...options, preprocessing }, context());
      const output = await teacher.infer(batch);
      await expectClose(output.imageEmbedding!, expected);
      disposeOutput(output);
      await teacher.dispose();
    }
  });

  it('refuses texts of another length', async () => {
    const teacher = await forms['onnx, int64']();
    const tokens = { data: new Int32Array(6), shape: [2, 3] };
    await expect(teacher.encode!({ tokens })).rejects.toThrow('made for texts of 4 ids, the texts here are [2, 3]');
    await teacher.dispose();
  });

  it('names what is wrong with a LayersModel', async () => {
    const refused = (changes: object, contextChanges = {}) =>
      refusal(layersModelTeacher, { ...layersOptions, ...changes }, context(contextChanges));
    await save(folder, {}, true);
    expect(await refused({ taps: { imageEmbedding: 'image_projection' } })).toMatch(
      /which layer is its textEmbedding, its logitScale\?\n.*taps: \{ textEmbedding: LAYER.*\n.*image_projection, text_mean, scale, color, box/,
    );
    expect(await refused({ taps: { ...taps, textEmbedding: 'color' } })).toContain(
      '"textEmbedding", layer "color", is made of image, not of tokens',
    );
    expect(await refused({ taps: { ...taps, early: 'box' } })).toContain(
      '"early", layer "box", is made of image and tokens, not of image',
    );
    expect(await refused({ taps: { ...taps, imageEmbedding: 'color' } })).toContain(
      'images become 3 numbers, texts 2: not the same space',
    );
    expect(await refused({}, { imageShape: [8, 8, 3] })).toContain("the data set's images are 8 x 8 x 3");
    const tokenizer = { ...tinyTokenizer, vocabularySize: 9, contextLength: 7 };
    expect(await refused({}, { text: { ...tinyText, tokenizer } })).toContain(
      'it has 4, not 7, ids a text; 6, not 9, ids in its vocabulary',
    );
  });

  it('names what is wrong with ONNX graphs', async () => {
    const refused = (changes: object, contextChanges = {}) =>
      refusal(onnxTeacher, { ...onnxOptions, ...changes }, context(contextChanges));
    const withText = async (changes: Parameters<typeof tinyTextOnnx>[0]) => {
      writeFileSync(join(folder, 'other.onnx'), tinyTextOnnx(changes));
      return refused({ text: { path: 'other.onnx' } });
    };
    expect(await refused({ text: { path: 'none.onnx' } })).toContain('no such file');
    expect(await refused({ text: { path: 'text.onnx', output: 'text_embed' } })).toMatch(/no output "text_embed"\n/);
    expect(await refused({ text: { path: 'text.onnx', input: 'ids' } })).toMatch(/no input "ids"\n/);
    expect(await refused({ outputs: { embedding: 'image_embeds' } })).toContain('no output is its imageEmbedding');
    expect(
      await refused({ text: undefined, outputs: { embedding: 'image_embeds', logitScale: 'logit_scale' } }),
    ).toContain('there is no text encoder');
    expect(await withText({ mask: true })).toContain('has the inputs input_ids, attention_mask');
    expect(await withText({ length: 7 })).toContain('"input_ids" is int64 [any, 7]');
    expect(await withText({ keepdims: 1 })).toContain('gives [T, 1, 2], not [T, D]');
    expect(await withText({ vocabulary: 5 })).toContain("does not take the ids of the data set's tokenizer, 0 to 5");
    writeFileSync(join(folder, 'image.onnx'), tinyImageOnnx('embedding'));
    expect(await refused({})).toMatch(/no output is its imageEmbedding\n.*outputs: \{ imageEmbedding: embedding/);
  });

  it('refuses a run that was trained with another tokenizer', async () => {
    mkdirSync(join(folder, 'student', 'best'), { recursive: true });
    await save(join(folder, 'student', 'best'), { ...runMetadata, tokenizer: 'another' });
    expect(await refusal(runTeacher, { path: '.' }, context())).toContain('was trained with another tokenizer');
  });
});
