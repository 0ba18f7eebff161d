import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type NetworkOutput, RunError } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { onnxTeacher } from './onnx-teacher.js';
import { disposeOutput } from './output-shapes.js';
import { onnxFile } from './test-support/onnx-file.js';
import { batchOf, makeTeacher, pixelsOf, refusal, teacherContext } from './test-support/teacher-inputs.js';
import { tinyOnnx, tinyOutputs } from './test-support/tiny-network.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'retort-onnx-'));
  path = join(folder, 'tiny.onnx');
  writeFileSync(path, tinyOnnx());
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (options = {}, changes = {}) =>
  makeTeacher(onnxTeacher, { path, preprocessing: 'none', ...options }, teacherContext(changes));
const refused = (options = {}, changes = {}) =>
  refusal(onnxTeacher, { path, preprocessing: 'none', ...options }, teacherContext(changes));

async function expectTiny(output: NetworkOutput, images: number[][]): Promise<void> {
  const expected = images.map(tinyOutputs);
  for (const field of ['logits', 'embedding', 'featureMap'] as const) {
    await expectClose(
      output[field]!,
      expected.flatMap((image) => image[field]),
    );
  }
}

describeEachBackend('onnx teacher', () => {
  it.each(['nchw', 'nhwc'] as const)('gives what the network written out gives, from %s', async (layout) => {
    writeFileSync(path, tinyOnnx({ layout, map: 'featureMap' }));
    const teacher = await open({ layout });
    const batch = batchOf(3);
    const pixels = Float32Array.from(batch.inputs.image!.data);
    const output = await teacher.infer(batch);
    await expectTiny(
      output,
      [0, 1, 2].map((i) => pixelsOf(batch, i)),
    );
    expect(output.featureMap!.shape).toEqual([3, 4, 5, 2]);
    // The batch belongs to other teachers and the student as well.
    expect(batch.inputs.image!.data).toEqual(pixels);
    disposeOutput(output);
    await teacher.dispose();
  });

  it('normalizes for itself', async () => {
    const [mean, deviation] = [
      [0.1, 0.2, 0.3],
      [0.5, 0.6, 0.7],
    ];
    const teacher = await open({ preprocessing: { mean, deviation } });
    const batch = batchOf(2);
    const output = await teacher.infer(batch);
    await expectTiny(
      output,
      [0, 1].map((i) => pixelsOf(batch, i, mean, deviation)),
    );
    disposeOutput(output);
    await teacher.dispose();
  });

  it.each([1, 2, 5])('splits and fills up batches for a graph fixed to 2 images: %i', async (size) => {
    writeFileSync(path, tinyOnnx({ batch: 2 }));
    const teacher = await open();
    const batch = batchOf(size);
    const output = await teacher.infer(batch);
    await expectTiny(
      output,
      Array.from({ length: size }, (_, i) => pixelsOf(batch, i)),
    );
    disposeOutput(output);
    await teacher.dispose();
  });

  it('puts logits into the order of the data set', async () => {
    const teacher = await open({ classes: ['cat', 'ant', 'bee'] });
    const batch = batchOf(2);
    const output = await teacher.infer(batch);
    const expected = [0, 1].flatMap((i) => {
      const [cat, ant, bee] = tinyOutputs(pixelsOf(batch, i)).logits;
      return [ant, bee, cat];
    });
    await expectClose(output.logits!, expected);
    expect(teacher.describe().classes).toEqual(['ant', 'bee', 'cat']);
    disposeOutput(output);
    await teacher.dispose();
  });

  it('leaves no tensors behind but its outputs, which several teachers make at once', async () => {
    await expectNoLeak(async () => {
      const teachers = await Promise.all([open({ classes: ['cat', 'ant', 'bee'] }), open()]);
      const outputs = await Promise.all(
        teachers.flatMap((teacher) => [teacher.infer(batchOf(2)), teacher.infer(batchOf(3))]),
      );
      expect(outputs.map(({ logits }) => logits!.shape[0])).toEqual([2, 3, 2, 3]);
      outputs.forEach(disposeOutput);
      for (const teacher of teachers) await teacher.dispose();
    });
  });
});

describe('onnx teacher', () => {
  it('describes itself', async () => {
    const teacher = await open();
    expect(teacher.id).toBe('t1');
    expect(teacher.describe()).toEqual({
      provides: { logits: [3], embedding: [2], featureMap: [4, 5, 2] },
      fingerprint: createHash('sha256').update(tinyOnnx()).digest('hex'),
      settings: expect.stringContaining('"layout":"nchw"') as string,
      summary: 'ONNX, 0.00 MB, 1 thread',
    });
    await teacher.dispose();
  });

  it.each([1, 2])('gives the same bits again at %i threads', async (threads) => {
    const run = async () => {
      const teacher = await open({ threads });
      const { logits, embedding, featureMap } = await teacher.infer(batchOf(16));
      await teacher.dispose();
      return [logits!, embedding!, featureMap!].map((tensor) => tensor.dataSync());
    };
    expect(await run()).toEqual(await run());
  });

  it('gives outputs that are asked for by name, others as taps', async () => {
    const teacher = await open({ outputs: { logits: 'logits', middle: 'feature_map' } });
    const output = await teacher.infer(batchOf(1));
    expect(Object.keys(output)).toEqual(['logits', 'taps']);
    expect(output.taps!.middle.shape).toEqual([1, 4, 5, 2]);
    expect(teacher.describe().provides).toEqual({ logits: [3], middle: [4, 5, 2] });
    await teacher.dispose();
  });

  it('lists the outputs there are for one that does not exist', async () => {
    expect(await refused({ outputs: { logits: 'logit' } })).toBe(
      `${path} has no output "logit" for logits\n  did you mean "logits"? choose from: logits, embedding, feature_map\n  teachers[0]`,
    );
  });

  it('asks which output is which when none has a usual name', async () => {
    const [input, output] = [{ x: ['batch', 3, 4, 5] }, { y: ['batch', 3, 4, 5] }];
    writeFileSync(
      path,
      onnxFile({ inputs: input, outputs: output, weights: {}, nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }] }),
    );
    expect(await refused()).toContain('it has: y; say which is which: outputs: { logits: y }');
    expect(await refused({ outputs: { logits: 'y' } })).toContain('output "logits" gives [B, 4, 5, 3], not [B, C]');
  });

  it('asks which input the images are when there are several', async () => {
    const shape = ['batch', 3, 4, 5];
    const node = { op: 'Add', inputs: ['a', 'b'], outputs: ['y'] };
    writeFileSync(
      path,
      onnxFile({ inputs: { a: shape, b: shape }, outputs: { y: shape }, weights: {}, nodes: [node] }),
    );
    expect(await refused()).toContain('input: a | b');
    expect(await refused({ input: 'c' })).toContain('has no input "c"\n  did you mean');
  });

  it('names a missing file', async () => {
    rmSync(path);
    expect(await refused()).toBe(`no such file: ${path}\n  teachers[0]`);
  });

  it('refuses a file that was cut off, with its size', async () => {
    writeFileSync(path, tinyOnnx().subarray(0, 150));
    const text = await refused();
    expect(text).toContain(`${path} is no ONNX model that onnxruntime can read`);
    expect(text).toContain('it has 150 bytes');
  });

  it('refuses a file with another digest', async () => {
    expect(await refused({ sha256: '0'.repeat(64) })).toContain(`${path} is not the file the manifest asks for`);
  });

  it('refuses images of another shape, at first and later', async () => {
    expect(await refused({}, { imageShape: [8, 8, 3] })).toContain(
      'input "image" is float32 [any, 3, 4, 5], the images as nchw are float32 [B, 3, 8, 8]',
    );
    expect(await refused({ layout: 'nhwc' })).toContain('the images as nhwc are float32 [B, 4, 5, 3]');
    const teacher = await open();
    await expect(teacher.infer(batchOf(2, [5, 4]))).rejects.toThrow(
      'made for images of 4 x 5 x 3, the batch has 5 x 4 x 3',
    );
    await teacher.dispose();
  });

  it('refuses classes that are not those of the data set', async () => {
    expect(await refused({}, { classes: ['ant', 'bee'] })).toContain(
      'teacher "t1" has 3 classes, the data set has 2, and they differ',
    );
    expect(await refused({ classes: ['ant', 'bee', 'dog'] })).toMatch(
      /only the teacher has: dog\n.*only the data set has: cat/,
    );
  });

  it('fails with a RunError when its thread ends', async () => {
    const workers = new Set<Worker>();
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (...message: Parameters<typeof postMessage>) {
      workers.add(this);
      postMessage.apply(this, message);
    };
    try {
      const teacher = await open();
      const [worker] = workers;
      await worker.terminate(); // between calls: inside one, onnxruntime would take the process with it
      const error = await teacher.infer(batchOf(4)).catch((thrown: unknown) => thrown as Error);
      expect(error).toBeInstanceOf(RunError);
      expect((error as Error).message).toBe(`the onnxruntime thread of teacher "t1" (${path}) ended: exit code 1`);
      await teacher.dispose();
    } finally {
      Worker.prototype.postMessage = postMessage;
    }
  });
});
