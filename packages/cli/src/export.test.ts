import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { exportOnnx } from '@retort/backend-onnxruntime';
import { type Batch, InputError, Seeds, type TeacherContext } from '@retort/core';
import { loadLayersModel, saveLayersModel } from '@retort/nn';
import { cifarResnet } from '@retort/models';
import { onnxTeacher } from '@retort/teachers';
import { type ExportOptions, exportStudent } from './commands/export.js';
import { createTerminal } from './terminal.js';
import { retort as retortIn } from './test-support/retort.js';

let folder: string;
const retort = (...args: string[]) => retortIn(args, { cwd: folder });

const manifest = `name: tiny
dataset: { use: scenes, classes: 3, size: 16, train: 96, test: 30, batchSize: 16, validation: 0.2 }
student: { use: small-cnn, width: 4 }
trainer: { use: mtkd, epochs: 1, optimizer: { use: sgd }, weighting: none }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1]
`;

beforeAll(async () => {
  // Silences tfjs's advertisement for its node backend.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
  folder = mkdtempSync(join(tmpdir(), 'retort-export-'));
  writeFileSync(join(folder, 'tiny.yaml'), manifest);
  expect(await retort('train', 'tiny.yaml')).toMatchObject({ code: 0 });
  mkdirSync(join(folder, 'half'));
  copyFileSync(join(folder, 'runs/tiny/manifest.lock.yaml'), join(folder, 'half/manifest.lock.yaml'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const images = (size: number) =>
  Float32Array.from({ length: size * 16 * 16 * 3 }, (_, i) => 0.5 + 0.5 * Math.sin(3.7 * i));

/** Expects a teacher of kind onnx to give the logits of a model's first output, at batch sizes that the export did not see. */
async function expectSameLogits(
  model: tf.LayersModel,
  path: string,
  classes: string[],
  outputs?: Record<string, string>,
): Promise<void> {
  const options = onnxTeacher.options.parse({ path, preprocessing: 'none', layout: 'nhwc', outputs });
  const context = { id: 'exported', classes, imageShape: [16, 16, 3], baseFolder: folder, path: 'teachers[0]' };
  const teacher = await onnxTeacher.create(options as never, context as TeacherContext);
  for (const size of [1, 7, 64]) {
    const image = { data: images(size), shape: [size, 16, 16, 3] };
    const { logits } = await teacher.infer({ size, inputs: { image } } as unknown as Batch);
    const [expected] = model.apply(tf.tensor4d(image.data, [size, 16, 16, 3])) as tf.Tensor[];
    const [actual, wanted] = [logits!.dataSync(), expected.dataSync()];
    expect(actual).toHaveLength(size * classes.length);
    for (const [i, value] of wanted.entries()) expect(Math.abs(actual[i] - value)).toBeLessThan(1e-4);
  }
  await teacher.dispose();
}

describe('retort export', () => {
  it("writes a file that gives a teacher the student's logits", async () => {
    const { code, stdout } = await retort('export', 'runs/tiny');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^runs\/tiny\/student\/(best|last)\/model\.onnx +[\d.]+ KiB, opset 17, \d+ operators/);
    expect(stdout).toMatch(/input +image +float32 \[batch, 16, 16, 3\]/);
    expect(stdout).toMatch(/output +logits +float32 \[batch, 3\] +\d\.\de-\d/);
    expect(stdout).toContain('images: pixels in [0, 1]');
    const [path] = stdout.split(' ');

    const { model, metadata } = await loadLayersModel(join(folder, path.replace('model.onnx', 'model.json')));
    await expectSameLogits(model, path, metadata.classes as string[]);
  });

  it('prints JavaScript that runs as it stands', async () => {
    const { stderr } = await retort('export', 'runs/tiny', '--student', 'last', '-o', 'last.onnx', '--pixels', 'uint8');
    const lines = stderr.split('JavaScript:\n')[1].replace("'last.onnx'", `'${join(folder, 'last.onnx')}'`);
    const script = `const image = new Uint8Array(768);\n${lines}console.log(JSON.stringify(logits.dims));`;
    // A script of this kind finds packages from the folder it is started in.
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { cwd });
    expect(JSON.parse(stdout)).toEqual([1, 3]);
    expect(stderr).toContain(
      "Python:\n  import onnxruntime\n  session = onnxruntime.InferenceSession('last.onnx')\n" +
        "  [logits, embedding, featureMap] = session.run(None, {'image': image})\n",
    );
  });

  it('says as JSON what it did, and what images need when that is outside', async () => {
    const { stdout } = await retort(
      'export',
      'runs/tiny',
      '-o',
      'out.onnx',
      '--preprocessing',
      'outside',
      '--batch',
      '2',
      '--json',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      file: 'out.onnx',
      bytes: statSync(join(folder, 'out.onnx')).size,
      opset: 17,
      inputs: [{ name: 'image', shape: [2, 16, 16, 3] }],
      preprocessing: { scale: expect.any(Array), shift: expect.any(Array) },
      reference: 'wasm',
    });
  });

  it('writes over a file when asked to, and never by itself', async () => {
    writeFileSync(join(folder, 'mine.onnx'), 'mine');
    expect(await retort('export', 'runs/tiny', '-o', 'mine.onnx')).toMatchObject({
      code: 2,
      stderr: 'retort: mine.onnx is there already\n  replace it: --overwrite\n  or write another: -o FILE\n',
    });
    expect(readFileSync(join(folder, 'mine.onnx'), 'utf8')).toBe('mine');
    expect(await retort('export', 'runs/tiny', '-o', 'mine.onnx', '--overwrite')).toMatchObject({ code: 0 });
    expect(statSync(join(folder, 'mine.onnx')).size).toBeGreaterThan(1000);
    rmSync(join(folder, 'mine.onnx'));
  });

  it('names the layer that has no ONNX form, and writes nothing', async () => {
    const model = tf.sequential();
    model.add(tf.layers.conv3d({ inputShape: [3, 4, 4, 1], filters: 2, kernelSize: 2, name: 'cube' }));
    await saveLayersModel(model, join(folder, 'cube'));
    const { code, stderr } = await retort('export', 'cube/model.json');
    expect(stderr).toContain(
      'retort: layer "cube" has no ONNX form: the backend does not record tfjs\'s kernel Conv3D',
    );
    expect(code).toBe(2);
    expect(readdirSync(join(folder, 'cube')).sort()).toEqual(['model.json', 'weights.bin']);
  });

  it("gives a cifar-resnet's outputs, with every normalization in a convolution", async () => {
    const { model } = await cifarResnet.create(cifarResnet.options.parse({ depth: 8, width: [4, 6, 8] }) as never, {
      classes: ['a', 'b', 'c'],
      imageShape: [16, 16, 3],
      normalization: { mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.3, 0.4] },
      seeds: new Seeds(1),
      baseFolder: folder,
      path: 'student',
    });
    const { bytes, nodes, outputs } = await exportOnnx(model);
    // Nine normalizations would be two operators each.
    expect(nodes).toBeLessThan(30);
    expect(outputs.map(({ shape }) => shape.length)).toEqual([2, 2, 4]);
    writeFileSync(join(folder, 'resnet.onnx'), bytes);
    await expectSameLogits(model, 'resnet.onnx', ['a', 'b', 'c'], { logits: outputs[0].name });
  });

  it('tells what is wrong in a line, with exit code 2', async () => {
    expect(await retort('export', 'runs/tiny', '--format', 'onx')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'retort: there is no format called "onx"\n  did you mean "onnx"? choose from: onnx\n',
    });
  });

  it.each<[string, string, Partial<ExportOptions>, string]>([
    ['an opset that there is not', 'runs/tiny', { opset: '9' }, '--opset 9: it must be a whole number from 13 to 22'],
    ['an opset in words', 'runs/tiny', { opset: 'new' }, '--opset new: it must be a whole number from 13 to 22'],
    ['a batch of nothing', 'runs/tiny', { batch: '0' }, '--batch 0: it must be a whole number from 1 on, or free'],
    ['a folder without a run', '.', {}, 'is neither a run folder nor a student'],
    ['a run without a student', 'half', {}, 'holds no student yet'],
    ['a student that is not there', 'half', { student: 'best' }, 'half holds no student "best"'],
    ['which student, of a student', 'runs/tiny/student/last', { student: 'best' }, 'is no run folder'],
    ['bytes without preprocessing', 'runs/tiny', { pixels: 'uint8', preprocessing: 'outside' }, 'uint8 pixels need'],
    ['a folder that is not there', 'runs/tiny', { output: '/no/such/x.onnx' }, 'no such folder: /no/such'],
    ['a folder as file', 'runs/tiny', { output: tmpdir() }, `${tmpdir()} is a folder; name a file`],
  ])('refuses %s', async (_, path, options, message) => {
    const before = readdirSync(folder, { recursive: true });
    const asked: ExportOptions = {
      format: 'onnx',
      output: join(folder, 'refused.onnx'),
      opset: '17',
      batch: 'free',
      preprocessing: 'inside',
      pixels: 'float32',
      layout: 'nhwc',
    };
    const terminal = createTerminal({ quiet: true });
    const refused = exportStudent(join(folder, path), { ...asked, ...options }, terminal);
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(message);
    expect(readdirSync(folder, { recursive: true })).toEqual(before);
  });
});
