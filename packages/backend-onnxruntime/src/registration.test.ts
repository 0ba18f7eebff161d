import * as tf from '@tensorflow/tfjs';
import { InputError, resolvePart, createRegistry, startBackend } from '@retort/core';
import { plugin, register } from './index.js';
import type { OnnxRuntimeBackend } from './backend.js';

const optionsInUse = () => (tf.backend() as OnnxRuntimeBackend).options;
const registry = createRegistry([plugin]);
const start = (reference: unknown) =>
  startBackend(registry, resolvePart(registry, 'backend', reference), () => undefined);

beforeEach(async () => {
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
  if (tf.findBackendFactory('onnxruntime')) tf.removeBackend('onnxruntime');
});

function errorOf(body: () => void): InputError {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return error as InputError;
  }
  throw new Error('nothing was thrown');
}

describe('register', () => {
  it('called again before the backend is used, changes the options that are given', async () => {
    register({ threads: 2 });
    register();
    register({ cacheSize: 3 });
    await tf.setBackend('onnxruntime');
    expect(optionsInUse()).toMatchObject({ threads: 2, cacheSize: 3, executionProviders: ['cpu'] });
  });

  it('called again afterwards, takes the same options and refuses others', async () => {
    register({ threads: 2 });
    await tf.setBackend('onnxruntime');
    register();
    register({ threads: 2, executionProviders: ['cpu'] });
    const { message, hints } = errorOf(() => register({ threads: 1 }));
    expect(message).toBe('the onnxruntime backend runs already with threads 2; it cannot change to 1');
    expect(hints.join()).toContain("tf.removeBackend('onnxruntime')");
    expect(optionsInUse().threads).toBe(2);

    await tf.setBackend('cpu');
    tf.removeBackend('onnxruntime');
    register({ threads: 1 });
    await tf.setBackend('onnxruntime');
    expect(optionsInUse().threads).toBe(1);
    expect([...tf.scalar(2).add(1).dataSync()]).toEqual([3]);
  });

  it('refuses an option that there is not, and a value that cannot be', () => {
    expect(errorOf(() => register({ thread: 2 } as object)).message).toContain('thread');
    expect(errorOf(() => register({ threads: 0 })).message).toContain('threads');
    expect(errorOf(() => register({ executionProviders: [] })).message).toContain('executionProviders');
  });

  it('takes up kernels that were registered on cpu since', async () => {
    register();
    await tf.setBackend('onnxruntime');
    tf.registerKernel({
      kernelName: 'Later',
      backendName: 'cpu',
      kernelFunc: ({ inputs, backend }) => tf.getKernel('Neg', 'cpu')!.kernelFunc({ inputs, backend, attrs: {} }),
    });
    const later = () => tf.engine().runKernel('Later', { x: tf.scalar(1) }) as tf.Tensor;
    expect(later).toThrow("'Later' not registered for backend 'onnxruntime'");
    register();
    expect([...later().dataSync()]).toEqual([-1]);
  });
});

describe('the part', () => {
  it('starts with its options, says with what, and what else there is', async () => {
    const { reference, ...said } = await start({ use: 'onnxruntime', threads: 2, cacheSize: 5 });
    expect(reference.use).toBe('onnxruntime');
    expect(tf.getBackend()).toBe('onnxruntime');
    expect(optionsInUse()).toMatchObject({ threads: 2, cacheSize: 5 });
    expect(said).toEqual({
      description: expect.stringMatching(/^onnxruntime 1\.\d+\.\d+, 2 threads$/),
      version: expect.stringMatching(/^onnxruntime 1\.\d+\.\d+$/),
      threads: 2,
      details: [
        expect.stringMatching(/^threads: 2 of the \d+ /),
        expect.stringMatching(/^executionProviders: cpu, webgpu/),
      ],
    });
  });

  it('is what auto takes, with the threads asked for', async () => {
    const { reference, threads } = await start({ use: 'auto', threads: 2 });
    expect({ use: reference.use, threads }).toEqual({ use: 'onnxruntime', threads: 2 });
    // The same again is no change; another number in the same process is.
    expect((await start({ use: 'onnxruntime', threads: 2 })).threads).toBe(2);
    await expect(start({ use: 'onnxruntime', threads: 1 })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(
        'backend: onnxruntime cannot be used: the onnxruntime backend runs already with',
      ),
      hints: expect.arrayContaining(['give options before the backend is first used']),
    });
  });

  it.each([
    [{ threads: 0 }, 'backend.threads: expected number to be >=1; got 0'],
    [{ thread: 2 }, 'backend.thread: unknown key; did you mean "threads"?'],
    [{ executionProviders: ['gpu'] }, 'backend.executionProviders[0]: no such choice: "gpu"; '],
    [{ graphOptimizationLevel: 'al' }, 'did you mean "all"?'],
  ])('refuses %j', (options, message) => {
    expect(() => resolvePart(registry, 'backend', { use: 'onnxruntime', ...options })).toThrow(message);
  });
});
