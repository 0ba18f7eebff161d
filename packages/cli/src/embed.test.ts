import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, Random, sha256 } from '@retort/core';
import { loadLayersModel, saveLayersModel } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { asyncBufferFromFile, parquetReadObjects, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import sharp from 'sharp';
import { embed, type EmbedOptions } from './commands/embed.js';
import { imageFiles } from './image-files.js';
import type { Terminal } from './terminal.js';
import { retort as retortIn } from './test-support/retort.js';

let folder: string;
const retort = (...args: string[]) => retortIn(args, { cwd: folder });
const write = (file: string, text: string) => writeFileSync(join(folder, file), text);

const manifest = `name: tiny
dataset: { use: scenes, classes: 3, size: 16, train: 96, test: 30, batchSize: 16, validation: 0.2 }
student: { use: small-cnn, width: 4 }
trainer: { use: mtkd, epochs: 1, optimizer: { use: sgd }, weighting: none }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1]
`;
const taught = manifest.replace('tiny', 'taught').replace('weighting: none', 'weighting: equal').concat(`teachers:
  - { id: first, use: run, path: runs/tiny }
  - { id: second, use: run, path: runs/tiny, student: last }
`);

/** More than one batch, of more than one size, some in a folder of their own. */
const COUNT = 70;

beforeAll(async () => {
  // Silences tfjs's advertisement for its node backend.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
  folder = mkdtempSync(join(tmpdir(), 'retort-embed-'));
  write('tiny.yaml', manifest);
  mkdirSync(join(folder, 'photos/more'), { recursive: true });
  const random = new Random([5, 6]);
  for (let i = 0; i < COUNT; i++) {
    const [width, height] = [16 + (i % 5), 20 - (i % 3)];
    const bytes = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
    const name = `${i % 9 === 0 ? 'more/' : ''}${String((i * 37) % COUNT).padStart(3, '0')}.png`;
    await sharp(bytes, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(folder, 'photos', name));
  }
  write('photos/notes.txt', 'no image');
  expect(await retort('train', 'tiny.yaml')).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Reads an .npy file by the letter of its specification. */
function readNpy(file: string): { rows: number; columns: number; values: Float32Array } {
  const bytes = readFileSync(join(folder, file));
  expect(bytes.subarray(0, 8)).toEqual(Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]));
  const start = 10 + bytes.readUInt16LE(8);
  expect(start % 64).toBe(0);
  const form = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/;
  const [, rows, columns] = form.exec(bytes.toString('latin1', 10, start))!.map(Number);
  expect(bytes.length).toBe(start + 4 * rows * columns);
  return { rows, columns, values: new Float32Array(new Uint8Array(bytes.subarray(start)).buffer) };
}

const lines = (file: string) => readFileSync(join(folder, file), 'utf8').split('\n').slice(0, -1);

/** Files beside the run and the images; hidden ones too. */
const left = () => readdirSync(folder).filter((name) => !['photos', 'runs'].includes(name) && !name.endsWith('.yaml'));

/** Calls the command in this process: as JSON when it is done, with what it remarked on the way. */
async function ask(options: Partial<EmbedOptions>, images = 'photos') {
  const [printed, notes]: string[][] = [[], []];
  const terminal: Terminal = {
    quiet: true,
    json: true,
    print: (text) => void printed.push(text),
    note: (text) => void notes.push(text),
  };
  const output = join(folder, options.output ?? 'out.npy');
  expect(await embed(join(folder, images), { backend: 'cpu', ...options, output }, terminal)).toBe(0);
  return {
    ...(JSON.parse(printed.join('')) as { file: string; output: string; network: string }),
    notes: notes.join('\n'),
  };
}

describe('retort embed', () => {
  afterEach(() => left().forEach((name) => rmSync(join(folder, name), { recursive: true })));
  const runs = () => join(folder, 'runs/tiny');

  it('is explained, with examples', async () => {
    const { code, stdout } = await retort('embed', '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples:\n {2}\$ retort embed photos --student runs/);
    const both = await retort('embed', 'photos', '--student', 'a', '--teacher', 'b');
    expect(both).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'--teacher <manifest#id>' cannot be used with"),
    });
  });

  it("writes what the student's network gives for each image, sorted by name", async () => {
    const { code, stdout, stderr } = await retort('embed', 'photos', '--student', 'runs/tiny');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^photos\.npy +70 × \d+ float32, embedding of student runs\/tiny\/student\/(best|last)\n/);
    expect(stderr).toContain("  embeddings = numpy.load('photos.npy')");
    expect(left().sort()).toEqual(['photos.files.txt', 'photos.npy']);
    const names = lines('photos.files.txt');
    expect(names).toHaveLength(COUNT);
    expect(names).toEqual([...names].sort());
    expect(names.at(-1)).toMatch(/^more\/\d\d\d\.png$/);

    const { rows, columns, values } = readNpy('photos.npy');
    expect(rows).toBe(COUNT);
    const [, student] = /student (\S+)\n/.exec(stdout)!;
    const { model, metadata } = await loadLayersModel(join(folder, student, 'model.json'));
    const index = (metadata.outputs as string[]).indexOf('embedding');
    for (const i of [0, 63, 64, 69]) {
      const pixels = await sharp(join(folder, 'photos', names[i]))
        .resize(16, 16, { fit: 'cover' })
        .raw()
        .toBuffer();
      const image = tf.tensor4d(
        Float32Array.from(pixels, (p) => p / 255),
        [1, 16, 16, 3],
      );
      const expected = await (model.predict(image) as tf.Tensor[])[index].data();
      expect(expected).toHaveLength(columns);
      expected.forEach((value, j) => expect(Math.abs(values[i * columns + j] - value)).toBeLessThan(1e-4));
    }
  });

  it('writes rows of unit length, and Parquet', async () => {
    await ask({ student: runs() });
    const told = await ask({ student: runs(), normalize: true, output: 'unit.parquet' });
    expect(told).toMatchObject({ rows: COUNT, output: 'embedding', normalized: true });
    expect(left().sort()).toEqual(['out.files.txt', 'out.npy', 'unit.parquet']);
    const file = await asyncBufferFromFile(join(folder, 'unit.parquet'));
    const metadata = await parquetMetadataAsync(file);
    expect(metadata.key_value_metadata).toContainEqual({ key: 'output', value: 'embedding' });
    const [, embedding] = parquetSchema(metadata).children;
    expect(embedding.element.converted_type).toBe('LIST');
    expect(embedding.children[0].children[0].element.type).toBe('FLOAT');
    const table = await parquetReadObjects({ file });
    expect(table.map((row) => row.file as string)).toEqual(lines('out.files.txt'));
    const { columns, values } = readNpy('out.npy');
    table.forEach((row, i) => {
      const plain = Array.from(values.subarray(i * columns, (i + 1) * columns));
      const length = Math.sqrt(plain.reduce((sum, value) => sum + value * value, 0));
      expect(row.embedding).toHaveLength(columns);
      (row.embedding as number[]).forEach((value, j) => expect(value).toBeCloseTo(plain[j] / length, 5));
    });
  });

  it('names an image that it cannot read, keeps what is done, and goes on to the same bytes', async () => {
    await ask({ student: runs() });
    for (const output of ['again.npy', 'again.parquet']) {
      write('photos/zz.png', 'no picture');
      const failed = ask({ student: runs(), output });
      await expect(failed).rejects.toThrow(InputError);
      await expect(failed).rejects.toThrow(`cannot decode the image ${join(folder, 'photos', 'zz.png')}: `);
      expect(left()).not.toContain(output);
      rmSync(join(folder, 'photos/zz.png'));
      expect((await ask({ student: runs(), output })).notes).toContain('; 64 are done already');
      expect(left().filter((name) => name.startsWith('.'))).toEqual([]);
    }
    expect(readFileSync(join(folder, 'again.npy'))).toEqual(readFileSync(join(folder, 'out.npy')));
    expect(lines('again.files.txt')).toEqual(lines('out.files.txt'));
    const table = await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, 'again.parquet')) });
    expect(table.flatMap((row) => row.embedding as number[])).toEqual(Array.from(readNpy('out.npy').values));
  });

  it('starts afresh where an image has changed, and with other options', async () => {
    write('photos/zz.png', 'no picture');
    await expect(ask({ student: runs() })).rejects.toThrow('zz.png');
    rmSync(join(folder, 'photos/zz.png'));
    expect((await ask({ student: runs(), normalize: true })).notes).not.toContain('done already');

    write('photos/zz.png', 'no picture');
    await expect(ask({ student: runs(), overwrite: true })).rejects.toThrow('zz.png');
    rmSync(join(folder, 'photos/zz.png'));
    const [first] = readdirSync(join(folder, 'photos')).sort();
    const bytes = readFileSync(join(folder, 'photos', first));
    const red = sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } });
    await red.png().toFile(join(folder, 'photos', first));
    expect((await ask({ student: runs(), overwrite: true })).notes).not.toContain('done already');
    writeFileSync(join(folder, 'photos', first), bytes);
  });

  it('stopped by Ctrl-C says how to go on, and does', async () => {
    const args = ['embed', 'photos', '--student', 'runs/tiny', '--backend', 'cpu'];
    const interrupt = { when: /images at/, signal: 'SIGINT' as const };
    const stopped = await retortIn(args, { cwd: folder, interrupt });
    // It may have been through by then.
    expect(
      stopped.code === 0 || /interrupted; \d+ images are kept\. The same command goes on/.test(stopped.stderr),
    ).toBe(true);
    if (stopped.code !== 0) expect(stopped.code).toBe(130);
    expect(await retort(...args, '--overwrite')).toMatchObject({ code: 0 });
    await ask({ student: runs() });
    expect(readFileSync(join(folder, 'photos.npy'))).toEqual(readFileSync(join(folder, 'out.npy')));
  });

  it('asks a teacher of a manifest, or of a run', async () => {
    write('taught.yaml', taught.replaceAll('runs/tiny', runs()));
    await ask({ student: join(runs(), 'student/last'), output: 'student.npy' });
    const manifest = join(folder, 'taught.yaml');
    const asked = await ask({ teacher: `${manifest}#second`, output: 'teacher.npy' });
    expect(asked).toMatchObject({ output: 'embedding', network: `teacher second of ${manifest}` });
    const [own, teachers] = [readNpy('student.npy'), readNpy('teacher.npy')];
    expect(teachers.rows).toBe(COUNT);
    teachers.values.forEach((value, i) => expect(Math.abs(value - own.values[i])).toBeLessThan(1e-4));

    // A run tells where its manifest lay.
    const locked = `${taught}locked: { baseFolder: ${JSON.stringify(folder)}, fingerprints: {}, versions: { node: v20 }, backend: cpu }\n`;
    mkdirSync(join(folder, 'moved'));
    write('moved/manifest.lock.yaml', `# sha256: ${sha256(locked)}\n${locked}`);
    await ask({ teacher: `${join(folder, 'moved')}#second`, output: 'run.npy' });
    expect(readNpy('run.npy').values).toEqual(teachers.values);

    await expect(ask({ teacher: manifest })).rejects.toMatchObject({
      message: `${manifest} lists 2 teachers`,
      hints: [`name one: --teacher ${manifest}#first`],
    });
    await expect(ask({ teacher: `${manifest}#secnd` })).rejects.toMatchObject({
      message: `${manifest} lists no teacher "secnd"`,
      hints: [expect.stringContaining('did you mean "second"?')],
    });
    rmSync(manifest);
  });

  it('leaves a file alone that is there, unless told to replace it', async () => {
    write('out.npy', 'mine');
    await expect(ask({ student: runs() })).rejects.toThrow('is there already');
    expect(readFileSync(join(folder, 'out.npy'), 'utf8')).toBe('mine');
    await ask({ student: runs(), overwrite: true });
    expect(readNpy('out.npy').rows).toBe(COUNT);
  });

  /** Saves a network with these outputs, each a dense layer of its own, as a run would. */
  async function saveNetwork(name: string, outputs: string[], metadata: object = { outputs }): Promise<string> {
    const image = tf.input({ shape: [8, 8, 3], name: 'image' });
    const tokens = tf.input({ shape: [5], name: 'tokens' });
    const flat = tf.layers.flatten({ name: 'flat' }).apply(image) as tf.SymbolicTensor;
    const made = outputs.map((output, i) => {
      const kernelInitializer = tf.initializers.constant({ value: (i + 1) / 192 });
      const input = output === 'textEmbedding' ? tokens : flat;
      return tf.layers.dense({ units: 4 + i, name: output, kernelInitializer }).apply(input) as tf.SymbolicTensor;
    });
    // The tokens first: their place is not a given.
    const inputs = outputs.includes('textEmbedding') ? [tokens, image] : [image];
    const model = tf.model({ inputs, outputs: made, name });
    await saveLayersModel(model, join(folder, name), { metadata: { ...metadata } });
    model.dispose();
    return join(folder, name);
  }

  it('takes the side of the images of two encoders, or what it is told, and leaves no tensor', async () => {
    const student = await saveNetwork('dual', ['textEmbedding', 'embedding', 'imageEmbedding']);
    const tensors = tf.memory().numTensors;
    expect(await ask({ student })).toMatchObject({ output: 'imageEmbedding', columns: 6 });
    await ask({ student, take: 'embedding', output: 'plain.npy' });
    expect(tf.memory().numTensors).toBe(tensors);
    // Kernels of 3/192 on 192 pixels: thrice their mean; and of 2/192.
    const [images, plain] = [readNpy('out.npy'), readNpy('plain.npy')];
    expect(plain.columns).toBe(5);
    for (let i = 0; i < COUNT; i++) expect(images.values[6 * i]).toBeCloseTo(1.5 * plain.values[5 * i], 5);
    const [first] = lines('out.files.txt');
    const pixels = await sharp(join(folder, 'photos', first))
      .resize(8, 8, { fit: 'cover' })
      .raw()
      .toBuffer();
    expect(images.values[0]).toBeCloseTo((3 * pixels.reduce((sum, value) => sum + value / 255, 0)) / 192, 4);
  });

  it.each<[string, string, () => Promise<Partial<EmbedOptions>>, string]>([
    ['no network', 'photos', async () => ({}), 'either --student or --teacher'],
    ['a folder that is not there', 'fotos', async () => ({ student: 'x' }), 'no such folder'],
    ['a folder without images', 'runs', async () => ({ student: 'x' }), 'holds no images (.jpg, .jpeg, .png, .webp)'],
    ['another format', 'photos', async () => ({ student: 'x', output: 'a.csv' }), 'a.csv: its name tells the format'],
    [
      'a folder to write to that is not there',
      'photos',
      async () => ({ student: 'x', output: 'no/a.npy' }),
      'no such folder: ',
    ],
    ['what is no student', 'photos', async () => ({ student: folder }), 'is neither a run folder nor a student'],
    [
      'a network without an embedding',
      'photos',
      async () => ({ student: await saveNetwork('bare', ['logits']) }),
      'gives no embedding',
    ],
    [
      'an output that is not there',
      'photos',
      async () => ({ student: await saveNetwork('half', ['logits', 'embedding']), take: 'imageEmbedding' }),
      'gives no imageEmbedding',
    ],
    [
      'a network that no run has saved',
      'photos',
      async () => ({ student: await saveNetwork('foreign', ['logits'], {}) }),
      'its metadata does not name its outputs',
    ],
    ['a manifest that is not there', 'photos', async () => ({ teacher: 'none.yaml#a' }), 'no such manifest: none.yaml'],
    [
      'a manifest without teachers',
      'photos',
      async () => ({ teacher: join(folder, 'tiny.yaml#a') }),
      'lists no teacher "a"',
    ],
  ])('refuses %s', async (_, images, options, message) => {
    const asked = ask(await options(), images);
    await expect(asked).rejects.toThrow(InputError);
    await expect(asked).rejects.toThrow(message);
    expect(left().filter((name) => /out|a\.csv/.test(name))).toEqual([]);
  });

  it('says which image the network gives no finite number for', async () => {
    const student = await saveNetwork('broken', ['embedding']);
    const { model } = await loadLayersModel(join(student, 'model.json'));
    tf.tidy(() => model.layers.at(-1)!.setWeights([tf.fill([192, 4], NaN), tf.zeros([4])]));
    await saveLayersModel(model, student, { metadata: { outputs: ['embedding'] } });
    const [first] = imageFiles(join(folder, 'photos'));
    const message = `gives numbers that are not finite for ${join(folder, 'photos', first)}`;
    await expect(ask({ student })).rejects.toThrow(message);
  });
});
