import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Batch, batchesPerEpoch, type Dataset, outputTensors, type Split, type Teacher } from '@retort/core';
import { saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectNoLeak, useBackend } from '@retort-tools/testing';
import { layersModelTeacher } from './layers-model-teacher.js';
import { disposeOutput } from './output-shapes.js';
import { cacheOf, counted, type CountedTeacher, imagesWithViews } from './test-support/cached-teacher.js';
import { makeTeacher, teacherContext } from './test-support/teacher-inputs.js';
import { tinyDualModel, tinyText, tinyTokenizer } from './test-support/tiny-encoders.js';

const taps = { imageEmbedding: 'image_projection', textEmbedding: 'text_mean', logitScale: 'scale', boxes: 'box' };
const headerBytes = 4096;

let home: string;
let folder: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'text-cache-'));
  folder = join(home, 'cache');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function dualTeacher(): Promise<CountedTeacher> {
  const network = tinyDualModel({ boxes: true });
  await saveLayersModel(network, home);
  network.dispose();
  const options = { path: join(home, 'model.json'), preprocessing: 'none', taps };
  return counted(await makeTeacher(layersModelTeacher, options, teacherContext({ text: tinyText })));
}

/** Train images come with another of their captions in every epoch; images to evaluate with three each. */
function captioned(changes: Parameters<typeof imagesWithViews>[0] = { views: 1, augmented: false }): Dataset {
  const images = imagesWithViews(changes);
  const caption = (index: number, number: number) => `${'abcde'[index % 5]} ${'abcde'[number % 5]}`;
  return {
    ...images,
    text: tinyText,
    async batch(address, options): Promise<Batch> {
      const batch = await images.batch(address, options);
      const each = Array.from(batch.index);
      if (address.split === 'train') {
        const tokens = tinyTokenizer.encode(each.map((index) => caption(index, address.epoch)));
        return { ...batch, inputs: { ...batch.inputs, tokens } };
      }
      const tokens = tinyTokenizer.encode(each.flatMap((index) => [0, 1, 2].map((number) => caption(index, number))));
      const owners = Int32Array.from(each.flatMap((_, i) => [i, i, i]));
      return {
        ...batch,
        inputs: { ...batch.inputs, tokens },
        targets: { imageOfText: { data: owners, shape: [owners.length] } },
      };
    },
  };
}

/** All that a teacher gives over some epochs of a split, by batch and output. */
async function allOf(teacher: Teacher, dataset: Dataset, epochs: number[], split: Split = 'train') {
  const found: Record<string, { shape: number[]; values: number[] }> = {};
  for (const epoch of epochs) {
    for (let step = 0; step < batchesPerEpoch(dataset, split); step++) {
      const { taps: _, ...output } = await teacher.infer(await dataset.batch({ split, epoch, step }));
      for (const [name, tensor] of Object.entries(output)) {
        found[`${epoch}/${step}/${name}`] = { shape: tensor.shape, values: Array.from(await tensor.data()) };
      }
      disposeOutput(output);
    }
  }
  return found;
}

function withoutBoxes<T>(found: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(found).filter(([name]) => !name.endsWith('boxes')));
}

function textsFile(): string {
  return join(folder, readdirSync(folder)[0], 'texts.bin');
}

describeEachBackend('disk cache of a teacher of two encoders', () => {
  it.each([256e6, 0])('asks for no image and no text twice (memoryBytes: %i)', async (memoryBytes) => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    const own = withoutBoxes(await allOf(teacher, dataset, [0, 1, 2, 0]));
    expect(Object.keys(own)).toContain('2/1/textEmbedding');
    teacher.calls = 0;
    const { cached } = await cacheOf(teacher, dataset, { folder, memoryBytes });
    expect(await allOf(cached, dataset, [0, 1, 2, 0])).toEqual(own);
    // Images once; the new captions of the two epochs after.
    expect(teacher.calls).toBe(3);
    expect(teacher.encoded).toBeGreaterThanOrEqual(2);
    expect(teacher.encoded).toBeLessThanOrEqual(6);
    await cached.dispose();

    teacher.calls = teacher.encoded = 0;
    const warm = await cacheOf(teacher, captioned(), { folder, memoryBytes });
    expect(await allOf(warm.cached, dataset, [0, 1, 2])).toEqual(own);
    expect(warm.told.filter(({ type }) => type === 'warning')).toEqual([]);
    expect([teacher.calls, teacher.encoded]).toEqual([0, 0]);
    await warm.cached.dispose();
    await teacher.dispose();
  });

  it('keeps batches with more texts than images, and those with none', async () => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    for (const split of ['validation', 'test'] as const) {
      const own = withoutBoxes(await allOf(teacher, dataset, [0], split));
      const { cached } = await cacheOf(teacher, dataset, { folder });
      expect(await allOf(cached, dataset, [0], split)).toEqual(own);
      teacher.calls = teacher.encoded = 0;
      expect(await allOf(cached, dataset, [0], split)).toEqual(own);
      expect(own['0/0/textEmbedding'].shape[0]).toBe(3 * own['0/0/imageEmbedding'].shape[0]);

      const plain = imagesWithViews({ views: 1, augmented: false });
      const images = await allOf(cached, plain, [0], split);
      expect(Object.keys(images)).toEqual(['0/0/logits', '0/0/imageEmbedding', '0/0/logitScale']);
      expect(images['0/0/imageEmbedding']).toEqual(own['0/0/imageEmbedding']);
      expect([teacher.calls, teacher.encoded]).toEqual([0, 0]);
      await cached.dispose();
    }
    await teacher.dispose();
  });

  it.each(['float16', 'int8'])('gives the same bits cold and warm in %s, logits and scale exact', async (precision) => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    const own = await allOf(teacher, dataset, [0, 1]);
    const { cached } = await cacheOf(teacher, dataset, { folder, precision });
    const cold = await allOf(cached, dataset, [0, 1]);
    await cached.dispose();
    const warm = await cacheOf(teacher, dataset, { folder, precision });
    expect(await allOf(warm.cached, dataset, [0, 1])).toEqual(cold);
    await warm.cached.dispose();
    for (const name of ['0/0/logits', '1/2/logitScale']) expect(cold[name]).toEqual(own[name]);
    expect(cold['0/0/textEmbedding']).not.toEqual(own['0/0/textEmbedding']);
    cold['0/0/textEmbedding'].values.forEach((value, i) =>
      expect(value).toBeCloseTo(own['0/0/textEmbedding'].values[i], 2),
    );
    await teacher.dispose();
  });

  it('leaves no tensors behind', async () => {
    await expectNoLeak(async () => {
      const teacher = await dualTeacher();
      const dataset = captioned({ views: 2 });
      const { cached } = await cacheOf(teacher, dataset, { folder });
      await allOf(cached, dataset, [0, 1, 2]);
      const plain = await dataset.batch({ split: 'train', epoch: 0, step: 0 }, { augment: false });
      const output = await cached.infer(plain);
      expect(output.boxes).toBeUndefined();
      expect(output.textEmbedding!.shape).toEqual([4, 2]);
      disposeOutput(output);
      disposeOutput(await cached.encode!({ tokens: tinyTokenizer.encode(['a']) }));
      await cached.dispose();
      await teacher.dispose();
    });
  });
});

describe('disk cache of a teacher of two encoders', () => {
  beforeAll(() => useBackend('cpu'));

  it('keeps a text once, whatever images it comes with', async () => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    const { cached, told } = await cacheOf(teacher, dataset, { folder });
    await allOf(cached, dataset, [0, 1, 2, 3, 4, 5, 6]);
    await cached.dispose();
    const textBytes = 8 + 16 + 4 * 2;
    expect(statSync(textsFile()).size).toBe(headerBytes + 25 * textBytes);
    expect(told[0]).toMatchObject({ message: expect.stringContaining('; 32 bytes a text beside') as string });
    expect(cached.describe().provides).toEqual({
      logits: [3],
      imageEmbedding: [2],
      textEmbedding: [2],
      logitScale: [],
    });
    await teacher.dispose();
  });

  it('shares texts with a cache that writes at the same time', async () => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    const own = withoutBoxes(await allOf(teacher, dataset, [0, 1, 2]));
    const options = { folder, memoryBytes: 0 };
    const pair = [await cacheOf(teacher, dataset, options), await cacheOf(teacher, dataset, options)];
    const both = await Promise.all(pair.map(({ cached }) => allOf(cached, dataset, [0, 1, 2])));
    expect(both).toEqual([own, own]);
    for (const { cached } of pair) await cached.dispose();
    // What one overwrote of the other's comes again, and is then kept.
    for (const isLast of [false, true]) {
      teacher.calls = teacher.encoded = 0;
      const { cached, told } = await cacheOf(teacher, dataset, options);
      expect(await allOf(cached, dataset, [0, 1, 2])).toEqual(own);
      expect(told.filter(({ type }) => type === 'warning')).toEqual([]);
      if (isLast) expect([teacher.calls, teacher.encoded]).toEqual([0, 0]);
      await cached.dispose();
    }
    await teacher.dispose();
  });

  it('computes a damaged text anew, and says so', async () => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    const walk = async () => {
      const { cached, told } = await cacheOf(teacher, dataset, { folder, memoryBytes: 0 });
      const found = await allOf(cached, dataset, [0]);
      await cached.dispose();
      return { found, warnings: told.flatMap((event) => (event.type === 'warning' ? [event.message] : [])) };
    };
    const { found } = await walk();
    const bytes = readFileSync(textsFile());
    bytes[headerBytes + 30] ^= 1;
    writeFileSync(textsFile(), bytes);
    expect(await walk()).toEqual({ found, warnings: [`${textsFile()} has damaged texts; they are computed anew`] });
    await teacher.dispose();
  });

  it('keeps no more texts than maxBytes leaves room for', async () => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    const own = withoutBoxes(await allOf(teacher, dataset, [0, 1]));
    const { cached, told } = await cacheOf(teacher, dataset, { folder });
    await cached.dispose();
    const [, images] = /: ([\d.]+) kB/.exec((told[0] as { message: string }).message)!;
    const small = await cacheOf(teacher, dataset, {
      folder,
      maxBytes: Math.ceil(Number(images) * 1000) + 200,
      memoryBytes: 0,
    });
    expect(await allOf(small.cached, dataset, [0, 1])).toEqual(own);
    await small.cached.dispose();
    const warnings = small.told.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
    expect(warnings).toEqual([expect.stringContaining('no more texts of teacher "t1" are kept')]);
    expect(statSync(textsFile()).size).toBeLessThanOrEqual(headerBytes + 250);
    await teacher.dispose();
  });

  it('asks for no texts where their embeddings are not kept', async () => {
    const teacher = await dualTeacher();
    const dataset = captioned();
    const asked: string[] = [];
    const watched = {
      ...teacher,
      infer: (batch: Batch) => {
        asked.push(Object.keys(batch.inputs).join());
        return teacher.infer(batch);
      },
    };
    const { cached } = await cacheOf(watched, dataset, { folder, outputs: ['logits', 'logitScale'] });
    const output = await cached.infer(await dataset.batch({ split: 'train', epoch: 0, step: 0 }));
    expect(asked).toEqual(['image']);
    expect(Object.keys(output)).toEqual(['logits', 'logitScale']);
    expect(outputTensors(output)).toHaveLength(2);
    disposeOutput(output);
    await cached.dispose();
    expect(readdirSync(join(folder, readdirSync(folder)[0]))).not.toContain('texts.bin');
    await teacher.dispose();
  });
});
