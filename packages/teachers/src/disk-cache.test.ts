import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import {
  type Dataset,
  decodeSafetensors,
  InputError,
  outputTensors,
  type RunEvent,
  RunError,
  type Teacher,
} from '@retort/core';
import { saveLayersModel } from '@retort/nn';
import { describeEachBackend, expectClose, expectNoLeak, useBackend } from '@retort-tools/testing';
import { layersModelTeacher } from './layers-model-teacher.js';
import { onnxTeacher } from './onnx-teacher.js';
import type { CacheJob } from './test-support/cache-process.js';
import { answers, cacheOf, type CountedTeacher, counted, imagesWithViews } from './test-support/cached-teacher.js';
import { makeTeacher, teacherContext } from './test-support/teacher-inputs.js';
import { tinyModel } from './test-support/tiny-model.js';
import { tinyOnnx } from './test-support/tiny-network.js';

const taps = { embedding: 'pool', featureMap: 'map', early: 'conv' };
/** Logits, embedding, and two maps of 4 × 5 × 2. */
const valuesPerSample = 3 + 2 + 40 + 40;
const batchesPerEpoch = 3;

let home: string;
let model: string;
let folder: string;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'teacher-cache-'));
  model = join(home, 'model.json');
  folder = join(home, 'cache');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** The tiny network as a teacher that counts its batches. */
async function tinyTeacher(options: object = {}, context: object = {}): Promise<CountedTeacher> {
  if (!existsSync(model)) {
    const network = tinyModel();
    await saveLayersModel(network, home);
    network.dispose();
  }
  const all = { path: model, preprocessing: 'none', taps, ...options };
  return counted(await makeTeacher(layersModelTeacher, all, teacherContext(context)));
}

/** Makes a cache, walks through epochs, disposes it, and says what came and what it cost. */
async function walk(
  teacher: CountedTeacher,
  dataset: Dataset,
  epochs: number[],
  options: object = {},
): Promise<{ found: Record<string, number[]>; calls: number; warnings: string[] }> {
  const before = teacher.calls;
  const { cached, told } = await cacheOf(teacher, dataset, { folder, ...options });
  const found = await answers(cached, dataset, epochs);
  await cached.dispose();
  return { found, calls: teacher.calls - before, warnings: warningsOf(told) };
}

function warningsOf(told: RunEvent[]): string[] {
  return told.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
}

/** Files of the one cache in the folder. */
function cacheFiles(): { inside: string; views: string[] } {
  const [only, ...others] = readdirSync(folder);
  expect(others).toEqual([]);
  const inside = join(folder, only);
  return {
    inside,
    views: readdirSync(inside)
      .filter((name) => name.startsWith('view-'))
      .map((name) => join(inside, name)),
  };
}

async function refusal(teacher: Teacher, dataset: Dataset, options: object = {}): Promise<string> {
  const error = await cacheOf(teacher, dataset, { folder, ...options }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).text;
}

describeEachBackend('disk cache', () => {
  it.each([256e6, 0])(
    'computes every view once, with the bits of the teacher (memoryBytes: %i)',
    async (memoryBytes) => {
      const teacher = await tinyTeacher();
      const dataset = imagesWithViews({ views: 2 });
      const own = await answers(teacher, dataset, [0, 1]);
      const cold = await walk(teacher, dataset, [0, 1, 2, 3], { memoryBytes });
      expect(cold.calls).toBe(2 * batchesPerEpoch);
      expect(Object.keys(cold.found)).toHaveLength(4 * 11);
      for (const [place, values] of Object.entries(own)) {
        expect(values).toHaveLength(valuesPerSample);
        expect(cold.found[place]).toEqual(values);
        // Two epochs later the same view comes, in other batches.
        expect(cold.found[`${Number(place[0]) + 2}${place.slice(1)}`]).toEqual(values);
      }
      expect(own['0/5/1']).not.toEqual(own['1/5/2']);
      const warm = await walk(teacher, imagesWithViews({ views: 2 }), [0, 1, 2, 3], { memoryBytes });
      expect(warm).toEqual({ found: cold.found, calls: 0, warnings: [] });
      await teacher.dispose();
    },
  );

  it.each([{ precision: 'float16' }, { precision: 'int8' }, { topLogits: 1 }, { precision: 'int8', topLogits: 2 }])(
    'gives the same bits cold and warm with %p, rounded once',
    async (options) => {
      const teacher = await tinyTeacher();
      const dataset = imagesWithViews({ views: 1 });
      const own = await answers(teacher, dataset, [0]);
      const cold = await walk(teacher, dataset, [0, 1], options);
      expect(cold.calls).toBe(batchesPerEpoch);
      const warm = await walk(teacher, imagesWithViews({ views: 1 }), [0, 1], options);
      expect(warm).toEqual({ ...cold, calls: 0 });
      expect(cold.found['0/3/1']).not.toEqual(own['0/3/1']);
      const [kept, given] = [cold.found['0/3/1'].slice(3), own['0/3/1'].slice(3)];
      await expectClose(kept, given, { absolute: 'precision' in options ? 0.02 : 0, relative: 0 });
      await teacher.dispose();
    },
  );

  it('leaves no tensors behind', async () => {
    await expectNoLeak(async () => {
      const teacher = await tinyTeacher();
      await walk(teacher, imagesWithViews({ views: 1 }), [0, 1], { outputs: ['logits'] });
      const { cached } = await cacheOf(teacher, imagesWithViews({ views: 3 }), { folder, outputs: ['logits'] });
      // Not kept: handed on, the other outputs freed.
      const batch = await imagesWithViews({}).batch({ split: 'train', epoch: 0, step: 0 }, { augment: false });
      tf.dispose(outputTensors(await cached.infer(batch)));
      await cached.dispose();
      await teacher.dispose();
    });
  });
});

describe('disk cache', () => {
  beforeAll(() => useBackend('cpu'));

  it('describes the teacher, with its classifier, and keeps that beside the outputs', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 1 });
    const { cached } = await cacheOf(teacher, dataset, { folder });
    expect(cached.id).toBe('t1');
    expect(cached.describe()).toEqual(teacher.describe());
    await answers(cached, dataset, [0]);
    await cached.dispose();
    const { inside } = cacheFiles();
    const { tensors, metadata } = decodeSafetensors(readFileSync(join(inside, 'teacher.safetensors')));
    const { fingerprint, provides, classifier } = teacher.describe();
    expect(tensors).toEqual({ 'classifier/kernel': classifier!.kernel, 'classifier/bias': classifier!.bias });
    expect(JSON.parse(metadata.content)).toMatchObject({
      teacher: fingerprint,
      dataset: 'images',
      backend: 'cpu',
      outputs: provides,
      precision: 'float32',
    });
    await teacher.dispose();
  });

  it('is another teacher where it rounds, and has the outputs that are kept only', async () => {
    const teacher = await tinyTeacher();
    const described = async (options: object) => {
      const { cached } = await cacheOf(teacher, imagesWithViews({ views: 1 }), { folder, ...options });
      return cached.describe();
    };
    const { fingerprint } = teacher.describe();
    const rounded = await Promise.all(
      [{ precision: 'float16' }, { precision: 'int8' }, { topLogits: 2 }, { precision: 'int8', topLogits: 2 }].map(
        described,
      ),
    );
    expect(new Set([fingerprint, ...rounded.map((each) => each.fingerprint)]).size).toBe(5);
    expect(rounded[3].summary).toBe('LayersModel, 0.00 M weights, kept: features as int8, the 2 largest logits');
    const logitsOnly = await described({ outputs: ['logits', 'other'], precision: 'int8', topLogits: 3 });
    expect(logitsOnly).toEqual({ ...teacher.describe(), provides: { logits: [3] } });
    await teacher.dispose();
  });

  it('never takes what was kept of another teacher, data set or form for its own', async () => {
    const walks: [teacher: object, context: object, dataset: object, options: object][] = [
      [{}, {}, {}, {}],
      [{ preprocessing: 'imagenet' }, {}, {}, {}],
      [{ taps: { embedding: 'pool', featureMap: 'conv', early: 'map' } }, {}, {}, {}],
      [{ classes: ['bee', 'ant', 'cat'] }, {}, {}, {}],
      [{}, {}, { fingerprint: 'other images' }, {}],
      [{}, {}, {}, { precision: 'float16' }],
      [{}, {}, {}, { topLogits: 2 }],
      [{}, {}, {}, { outputs: ['logits', 'embedding'] }],
    ];
    for (const [options, context, data, cacheOptions] of walks) {
      const teacher = await tinyTeacher(options, context);
      const { calls } = await walk(teacher, imagesWithViews({ views: 1, ...data }), [0], cacheOptions);
      expect(calls).toBe(batchesPerEpoch);
      await teacher.dispose();
    }
    expect(readdirSync(folder)).toHaveLength(walks.length);
  });

  it('goes on where another run stopped, and what was kept stays as it was', async () => {
    const teacher = await tinyTeacher();
    const first = imagesWithViews({ views: 1 });
    const { cached } = await cacheOf(teacher, first, { folder });
    const batch = await first.batch({ split: 'train', epoch: 0, step: 0 });
    tf.dispose(outputTensors(await cached.infer(batch)));
    await cached.dispose();
    const [path] = cacheFiles().views;
    const { size } = statSync(path);
    const bytes = readFileSync(path);

    // Other batches: most hold some of the first run's samples.
    const { calls, found } = await walk(teacher, imagesWithViews({ views: 1, seed: 2 }), [0]);
    expect(calls).toBe(batchesPerEpoch);
    expect(found).toEqual(await answers(teacher, imagesWithViews({ views: 1, seed: 2 }), [0]));
    const after = readFileSync(path);
    const recordBytes = 8 + 4 * valuesPerSample;
    for (const number of batch.index) {
      const position = 4096 + number * recordBytes;
      expect(position + recordBytes).toBeLessThanOrEqual(size);
      expect(after.subarray(position, position + recordBytes)).toEqual(
        bytes.subarray(position, position + recordBytes),
      );
    }
    expect((await walk(teacher, first, [0])).calls).toBe(0);
    await teacher.dispose();
  });

  it('keeps images to evaluate, those of the test split apart from others of their number', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 2 });
    const evaluated = async (asked: Teacher) => {
      const found: number[][] = [];
      for (const split of ['validation', 'test', 'validation', 'test'] as const) {
        const output = await asked.infer(await dataset.batch({ split, epoch: 0, step: 0 }));
        found.push(Array.from(await output.featureMap!.data()));
        tf.dispose(outputTensors(output));
      }
      return found;
    };
    const own = await evaluated(teacher);
    for (const expectedCalls of [2, 0]) {
      const before = teacher.calls;
      const { cached } = await cacheOf(teacher, dataset, { folder, memoryBytes: 0 });
      expect(await evaluated(cached)).toEqual(own);
      expect(teacher.calls - before).toBe(expectedCalls);
      await cached.dispose();
    }
    expect(readdirSync(cacheFiles().inside).sort()).toEqual(['teacher.safetensors', 'test.bin', 'view-0.bin']);
    await teacher.dispose();
  });

  it('hands on plain train images where there are views', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 2 });
    const { cached } = await cacheOf(teacher, dataset, { folder, precision: 'int8' });
    const batch = await dataset.batch({ split: 'train', epoch: 0, step: 0 }, { augment: false });
    const [own, given] = [await teacher.infer(batch), await cached.infer(batch)];
    expect(Array.from(await given.featureMap!.data())).toEqual(Array.from(await own.featureMap!.data()));
    tf.dispose([...outputTensors(own), ...outputTensors(given)]);
    await cached.dispose();
    expect(existsSync(folder)).toBe(false);

    // Without augmentation plain images are the one view there is.
    const plain = imagesWithViews({ views: 1, augmented: false });
    expect((await walk(teacher, plain, [0, 1])).calls).toBe(batchesPerEpoch);
    await teacher.dispose();
  });

  it('answers one batch after the other when it is asked for several at once', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 1 });
    const expected = await answers(teacher, dataset, [0]);
    const { cached } = await cacheOf(teacher, dataset, { folder });
    const before = teacher.calls;
    const twice = await Promise.all([answers(cached, dataset, [0]), answers(cached, dataset, [0])]);
    expect(twice).toEqual([expected, expected]);
    expect(teacher.calls - before).toBe(batchesPerEpoch);
    await cached.dispose();
    await teacher.dispose();
  });

  it('keeps batches that show several views of a sample', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 3, repeats: 2 });
    const own = await answers(teacher, dataset, [0, 1, 2, 3]);
    const cold = await walk(teacher, dataset, [0, 1, 2, 3], { memoryBytes: 0 });
    expect(cold.found).toEqual(own);
    expect(cacheFiles().views).toHaveLength(3);
    const warm = await walk(teacher, imagesWithViews({ views: 3, repeats: 2 }), [0, 1, 2, 3], { memoryBytes: 0 });
    expect(warm).toEqual({ found: own, calls: 0, warnings: [] });
    await teacher.dispose();
  });

  it('keeps an ONNX teacher', async () => {
    const path = join(home, 'tiny.onnx');
    writeFileSync(path, tinyOnnx());
    const teacher = counted(await makeTeacher(onnxTeacher, { path, preprocessing: 'none' }, teacherContext()));
    const dataset = imagesWithViews({ views: 1 });
    const own = await answers(teacher, dataset, [0]);
    const cold = await walk(teacher, dataset, [0]);
    expect(cold).toEqual({ found: own, calls: batchesPerEpoch, warnings: [] });
    expect(await walk(teacher, dataset, [0])).toEqual({ found: own, calls: 0, warnings: [] });
    await teacher.dispose();
  });
});

describe('size of the disk cache', () => {
  beforeAll(() => useBackend('cpu'));
  const recordBytes = 8 + 4 * valuesPerSample;

  it('is told before anything is written, and kept to', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 3 });
    const { cached, told } = await cacheOf(teacher, dataset, { folder });
    // Three views, and the 3 validation and 2 test images with a file each.
    const total = (3 * 11 + 5) * recordBytes + 5 * 4096;
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      type: 'info',
      message: expect.stringMatching(
        /^the outputs of teacher "t1" are kept in .*cache.[0-9a-f]{16}: 33.7 kB \(11 samples × 3 views and 5 to evaluate, 348 bytes each\)$/,
      ) as string,
    });
    expect(existsSync(folder)).toBe(false);
    await answers(cached, dataset, [0, 1, 2, 3]);
    await cached.dispose();
    const { views } = cacheFiles();
    expect(views.reduce((sum, path) => sum + statSync(path).size, 0)).toBe(total - 5 * recordBytes - 2 * 4096);
    await teacher.dispose();
  });

  it('is refused when it is more than the folder may hold, of this run and others', async () => {
    const teacher = await tinyTeacher();
    const total = (2 * 11 + 5) * recordBytes + 4 * 4096;
    const text = await refusal(teacher, imagesWithViews({ views: 2 }), { maxBytes: total - 1 });
    expect(text).toContain(
      `the outputs of teacher "t1" take 25.8 kB (11 samples × 2 views and 5 to evaluate, 348 bytes each); ${folder} would grow to 25.8 kB, over maxBytes`,
    );
    expect(text).toContain('precision: float16 or int8, topLogits, a list of outputs, or fewer dataset.views');
    expect(existsSync(folder)).toBe(false);

    // Two teachers of one run, neither of which has written anything.
    const dataset = imagesWithViews({ views: 2 });
    await cacheOf(teacher, dataset, { folder, maxBytes: 1.5 * total });
    const other = await tinyTeacher({ preprocessing: 'imagenet' });
    expect(await refusal(other, dataset, { maxBytes: 1.5 * total })).toContain("25.8 kB of that are other teachers'");
    await other.dispose();

    // What an earlier run left counts, but not when it is this one's.
    await walk(teacher, imagesWithViews({ views: 2 }), [0, 1]);
    await cacheOf(teacher, imagesWithViews({ views: 2 }), { folder, maxBytes: total });
    expect(await refusal(teacher, imagesWithViews({ views: 2, fingerprint: 'x' }), { maxBytes: total })).toContain(
      "of that are other runs': delete what is not needed there",
    );
    await teacher.dispose();
  });

  it('is refused where the data set shows new views all the time', async () => {
    const teacher = await tinyTeacher();
    expect(await refusal(teacher, imagesWithViews({}))).toBe(
      'every epoch shows new views of the train images, so nothing that is kept would be used again\n' +
        '  dataset.views: 8 shows the same eight views of every image in turn\n' +
        '  dataset.augment: [] shows images as they are\n' +
        '  cache',
    );
    await teacher.dispose();
  });

  it('is refused for outputs that the teacher does not give, and a folder that is none', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 1 });
    expect(await refusal(teacher, dataset, { outputs: ['tokens'] })).toContain(
      'teacher "t1" gives none of the outputs to keep: tokens\n  it gives: logits, embedding, featureMap, early',
    );
    writeFileSync(folder, 'a file');
    expect(await refusal(teacher, dataset)).toMatch(/teachers' outputs cannot be kept in .*ENOTDIR.*\n.*cache\.folder/);
    await teacher.dispose();
  });
});

describe('a disk cache that was damaged', () => {
  beforeAll(() => useBackend('cpu'));

  it.each([
    [
      'a flipped bit',
      (path: string) => {
        const bytes = readFileSync(path);
        bytes[4096 + 5 * (8 + 4 * valuesPerSample) + 100] ^= 16;
        writeFileSync(path, bytes);
      },
      'sample 5 is damaged; such samples are computed anew',
      1,
    ],
    [
      'a lost end',
      (path: string) => truncateSync(path, 4096 + 5 * (8 + 4 * valuesPerSample) + 100),
      'sample 5 is damaged; such samples are computed anew',
      batchesPerEpoch,
    ],
    [
      'a lost header',
      (path: string) => truncateSync(path, 10),
      "it holds no teacher's outputs; it is built anew",
      batchesPerEpoch,
    ],
    [
      'a file of another view',
      (path: string) => renameSync(path.replace('view-1', 'view-2'), path),
      'it was written for another shard; it is built anew',
      batchesPerEpoch,
    ],
  ])('tells of %s by name and mends it', async (_, damage, message, atMost) => {
    const teacher = await tinyTeacher();
    const sound = await walk(teacher, imagesWithViews({ views: 2 }), [0, 1]);
    const path = join(cacheFiles().inside, 'view-1.bin');
    damage(path);
    const { found, warnings, calls } = await walk(teacher, imagesWithViews({ views: 2 }), [0]);
    expect(warnings).toEqual([`${path}: ${message}`]);
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThanOrEqual(atMost);
    for (const [place, values] of Object.entries(found)) expect(values).toEqual(sound.found[place]);
    expect(await walk(teacher, imagesWithViews({ views: 2 }), [0])).toEqual({ found, calls: 0, warnings: [] });
    await teacher.dispose();
  });

  it("mends the teacher's file too", async () => {
    const teacher = await tinyTeacher();
    await walk(teacher, imagesWithViews({ views: 1 }), [0]);
    const path = join(cacheFiles().inside, 'teacher.safetensors');
    const whole = readFileSync(path);
    truncateSync(path, 20);
    const { calls, warnings } = await walk(teacher, imagesWithViews({ views: 1 }), [0]);
    expect({ calls, warnings }).toEqual({ calls: 0, warnings: [`${path} was damaged and has been written anew`] });
    expect(readFileSync(path)).toEqual(whole);
    await teacher.dispose();
  });
});

describe('a disk that refuses', () => {
  beforeAll(() => useBackend('cpu'));

  it('is told of once, and the run goes on with the same bits', async () => {
    const teacher = await tinyTeacher();
    const dataset = imagesWithViews({ views: 2 });
    const own = await answers(teacher, dataset, [0, 1]);
    const { cached, told } = await cacheOf(teacher, dataset, { folder });
    writeFileSync(folder, 'a file, since the run began');
    expect(await answers(cached, dataset, [0, 1])).toEqual(own);
    await cached.dispose();
    const warnings = warningsOf(told);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^outputs of teacher "t1" cannot be kept in .*: E.*; the run goes on without$/);
    await teacher.dispose();
  });

  const canMount = (() => {
    const small = mkdtempSync(join(tmpdir(), 'mount-'));
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status === 0;
    if (mounted) spawnSync('umount', [small]);
    rmSync(small, { recursive: true });
    return mounted;
  })();

  (canMount ? it : it.skip)('because it is full loses nothing of what was kept', async () => {
    mkdirSync(folder);
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    try {
      const teacher = await tinyTeacher();
      // 348 bytes each: about half of them fit.
      const dataset = imagesWithViews({ views: 1, train: 300 });
      const own = await answers(teacher, dataset, [0, 1]);
      for (const memoryBytes of [0, 0, 256e6]) {
        const { found, calls, warnings } = await walk(teacher, dataset, [0, 1], { memoryBytes });
        expect(found).toEqual(own);
        expect(
          warnings.filter((text) => text.endsWith('no space is left on the disk; the run goes on without')),
        ).toHaveLength(1);
        // The record that the end of the disk cut off may be told of too.
        expect(warnings.filter((text) => !text.includes('is damaged'))).toHaveLength(1);
        expect(calls).toBeGreaterThan(20);
        expect(calls).toBeLessThanOrEqual(150);
      }
      await teacher.dispose();
    } finally {
      spawnSync('umount', [folder]);
    }
  });

  it('refuses values that float16 does not have', async () => {
    const large: Teacher = {
      id: 'large',
      describe: () => ({ provides: { embedding: [2] }, fingerprint: 'f', summary: 'large' }),
      infer: async ({ size }) => ({ embedding: tf.fill([size, 2], 1e5) }),
      dispose: () => undefined,
    };
    const dataset = imagesWithViews({ views: 1 });
    const { cached } = await cacheOf(large, dataset, { folder, precision: 'float16' });
    const error = await answers(cached, dataset, [0]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RunError);
    expect((error as RunError).text).toBe(
      '"embedding" of teacher "large" cannot be kept as float16: 100000 is beyond 65504, the largest float16\n' +
        '  cache.precision: float32 keeps any value\n' +
        '  cache',
    );
    await cached.dispose();
  });
});

describe('two processes', () => {
  beforeAll(() => useBackend('cpu'));

  async function start(): Promise<{ run(job: CacheJob): Promise<Awaited<ReturnType<typeof walk>>> }> {
    const script = fileURLToPath(new URL('./test-support/cache-process.ts', import.meta.url));
    const loader = new URL('./test-support/typescript-loader.mjs', import.meta.url).href;
    const child = fork(script, {
      execArgv: ['--conditions=@retort/source', '--import', loader, '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    return {
      run: async (job) => {
        child.send(job);
        const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the process ended: ${code}`)));
        const [result] = (await Promise.race([once(child, 'message'), ended])) as [Awaited<ReturnType<typeof walk>>];
        ended.catch(() => undefined); // it may end now
        return result;
      },
    };
  }

  it('fill one cache at once', async () => {
    const teacher = await tinyTeacher();
    const train = 103;
    const job = { folder, model, taps, views: 2, train };
    const own = (seed: number) => answers(teacher, imagesWithViews({ views: 2, train, seed }), [0, 1, 2, 3]);
    const processes = await Promise.all([start(), start()]);
    // In different orders, so that they meet in some samples and miss each other in others.
    const results = await Promise.all(processes.map((child, i) => child.run({ ...job, seed: i + 1 })));
    for (const [i, { found, warnings }] of results.entries()) {
      expect(warnings).toEqual([]);
      expect(found).toEqual(await own(i + 1));
    }
    const after = await walk(teacher, imagesWithViews({ views: 2, train, seed: 3 }), [0, 1, 2, 3]);
    expect(after).toEqual({ found: await own(3), calls: 0, warnings: [] });
    await teacher.dispose();
  });
});
