import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { OnnxRuntimeBackend } from './backend.js';
import { register } from './index.js';

register();

async function fresh(options: ConstructorParameters<typeof OnnxRuntimeBackend>[0] = {}): Promise<OnnxRuntimeBackend> {
  tf.removeBackend('onnxruntime');
  tf.registerBackend('onnxruntime', () => new OnnxRuntimeBackend(options));
  await tf.setBackend('onnxruntime');
  return tf.backend() as OnnxRuntimeBackend;
}

const square = (size: number) =>
  tf.tensor2d(
    Float32Array.from({ length: size * size }, (_, i) => Math.sin(i)),
    [size, size],
  );

describe('tf.time', () => {
  it('gives the time inside onnxruntime, that of compiling and recording left out', async () => {
    const backend = await fresh();
    const x = square(512);
    const before = backend.statistics();
    const { kernelMs, wallMs } = await tf.time(() => void tf.matMul(x, x));
    const after = backend.statistics();
    expect(kernelMs).toBeCloseTo(after.runMilliseconds - before.runMilliseconds, 6);
    expect(after.compileMilliseconds).toBeGreaterThan(before.compileMilliseconds);
    expect(wallMs).toBeGreaterThanOrEqual(
      (kernelMs as number) + after.compileMilliseconds - before.compileMilliseconds,
    );
  });

  it('counts what was recorded before for nobody', async () => {
    const backend = await fresh();
    const x = square(512);
    const earlier = tf.matMul(x, x);
    const { kernelMs } = await tf.time(() => void x.add(1));
    expect(kernelMs).toBeLessThan(backend.statistics().runMilliseconds);
    earlier.dispose();
  });
});

describe('tf.profile', () => {
  it('runs kernel by kernel, and finds the slow one', async () => {
    await fresh();
    const x = square(512);
    const profile = async () => {
      const began = performance.now();
      const profiled = await tf.profile(() => tf.matMul(x.add(1), x).sum());
      const wall = performance.now() - began;
      const times = (await Promise.all(profiled.kernels.map(({ kernelTimeMs }) => kernelTimeMs))) as number[];
      expect(times.reduce((sum, each) => sum + each)).toBeLessThan(wall);
      return { ...profiled, times };
    };
    const { kernels, newTensors, newBytes } = await profile();
    expect(kernels.map(({ name }) => name)).toEqual(['Add', 'BatchMatMul', 'Sum']);
    // The least of several: another process may take the processor now and then.
    const runs = [await profile(), await profile(), await profile(), await profile(), await profile()];
    const [add, matMul, sum] = [0, 1, 2].map((kernel) => Math.min(...runs.map(({ times }) => times[kernel])));
    expect(matMul).toBeGreaterThan(add);
    expect(matMul).toBeGreaterThan(sum);
    expect(kernels[1].inputShapes).toEqual([
      [512, 512],
      [512, 512],
    ]);
    expect(kernels[1].outputShapes).toEqual([[512, 512]]);
    // Two squares and the sum.
    expect([newTensors, newBytes]).toEqual([3, 4 * (2 * 512 * 512 + 1)]);
  });
});

describe('dumpGraphs', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'retort-graphs-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('writes every graph when it is compiled: a file that runs alone, its nodes named by kernel', async () => {
    const backend = await fresh({ dumpGraphs: join(folder, 'made') });
    const step = (values: number[]) => tf.tidy(() => tf.tensor1d(values).mul(3).relu().sum().dataSync()[0]);
    expect([step([1, -2]), step([5, -1])]).toEqual([3, 15]);
    const files = readdirSync(join(folder, 'made'));
    expect(files).toHaveLength(backend.statistics().compiled);
    expect(files).toHaveLength(1);

    const bytes = readFileSync(join(folder, 'made', files[0]));
    for (const name of ['Multiply(float32[2], float32[])', 'Relu(float32[2])', 'Sum(float32[2])'])
      expect(bytes.toString('latin1')).toContain(name);
    const session = await InferenceSession.create(new Uint8Array(bytes));
    const [x, three] = session.inputNames;
    const results = await session.run({
      [x]: new Tensor(Float32Array.of(2, 4), [2]),
      [three]: new Tensor(Float32Array.of(10), []),
    });
    // What the tidy still held was a result too; the sum was the last.
    expect([...(results[session.outputNames.at(-1)!].data as Float32Array)]).toEqual([60]);
    await session.release();
  });
});
