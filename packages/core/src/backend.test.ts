import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { coreBackends, startBackend, type ImportModule } from './backend.js';
import type { RunEvent } from './events.js';
import { definePart, Registry } from './registry.js';
import { resolvePart } from './resolve-manifest.js';

/** What importing @tensorflow/tfjs-node does: it registers a backend called `tensorflow`. The real one cannot be installed here. */
function standIn(): void {
  if (tf.findBackend('tensorflow') === null) tf.registerBackend('tensorflow', () => tf.findBackend('cpu'));
}

function registryWith(load: ImportModule): Registry {
  const registry = new Registry();
  for (const backend of coreBackends(load)) registry.add(backend);
  return registry;
}

const missing: ImportModule = async (specifier) => {
  throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: 'ERR_MODULE_NOT_FOUND' });
};

async function start(registry: Registry, name: unknown) {
  const events: RunEvent[] = [];
  const reference = resolvePart(registry, 'backend', name);
  const { reference: took, ...start } = await startBackend(registry, reference, (event) => events.push(event));
  return { started: took.use, options: took.options, start, events };
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});
afterEach(async () => {
  await tf.setBackend('cpu');
  if (tf.findBackend('tensorflow') !== null) tf.removeBackend('tensorflow');
});

describe('auto', () => {
  it("takes TensorFlow's GPU library when it is there", async () => {
    const asked: string[] = [];
    const { started, events } = await start(
      registryWith(async (specifier) => (asked.push(specifier), standIn())),
      'auto',
    );
    expect(started).toBe('tensorflow-gpu');
    expect(asked).toEqual(['@tensorflow/tfjs-node-gpu']);
    expect(tf.getBackend()).toBe('tensorflow');
    expect(events).toEqual([
      { type: 'backend', name: 'tensorflow-gpu', reason: expect.stringMatching(/^fastest that works; tfjs 4\./) },
    ]);
  });

  it('falls through to the next and says why', async () => {
    const registry = registryWith(async (specifier) => {
      if (specifier.endsWith('gpu')) throw new Error('libcudart.so.11.0: cannot open shared object file\nlong story');
      standIn();
    });
    const { started, events } = await start(registry, 'auto');
    expect(started).toBe('tensorflow');
    expect(events).toMatchObject([
      {
        reason: expect.stringMatching(
          /; not tensorflow-gpu \(@tensorflow\/tfjs-node-gpu: libcudart.so.11.0: [^\n]*\)$/,
        ),
      },
    ]);
  });

  it('prefers any installed backend to plain JavaScript, and ends there', async () => {
    const registry = registryWith(missing);
    expect((await start(registry, 'auto')).started).toBe('cpu');
    let works = false;
    registry.add(
      definePart('backend', {
        name: 'wasm',
        summary: '',
        options: z.strictObject({}),
        create: () => ({
          async start() {
            if (!works) throw new Error('no SIMD');
            return { description: 'SIMD' };
          },
        }),
      }),
    );
    const refused = await start(registry, 'auto');
    expect(refused.started).toBe('cpu');
    expect(refused.events).toMatchObject([
      {
        reason: expect.stringMatching(
          /not tensorflow-gpu \(@tensorflow\/tfjs-node-gpu is not installed\), not tensorflow \(@tensorflow\/tfjs-node is not installed\), not wasm \(no SIMD\)$/,
        ),
      },
    ]);
    works = true;
    expect((await start(registry, 'auto')).started).toBe('wasm');
  });
});

describe('a number of threads', () => {
  const threaded = (asked: unknown[]) =>
    definePart('backend', {
      name: 'onnxruntime',
      summary: '',
      options: z.strictObject({ threads: z.int().max(64).default(1) }),
      create: (options) => ({
        async start() {
          asked.push(options);
          return { description: `${options.threads} threads`, threads: options.threads };
        },
      }),
    });

  it('asked of auto goes to the backend it takes, if that has a choice', async () => {
    const asked: unknown[] = [];
    const registry = registryWith(missing).add(threaded(asked));
    const { started, options, start: said } = await start(registry, { use: 'auto', threads: 2 });
    expect(asked).toEqual([{ threads: 2 }]);
    expect({ started, options, threads: said.threads }).toEqual({
      started: 'onnxruntime',
      options: { threads: 2 },
      threads: 2,
    });
    // cpu has none to choose.
    expect(await start(registryWith(missing), { use: 'auto', threads: 2 })).toMatchObject({
      started: 'cpu',
      options: {},
      start: { threads: 1 },
    });
  });

  it('is checked like any option', async () => {
    const registry = registryWith(missing).add(threaded([]));
    await expect(start(registry, { use: 'onnxruntime', threads: 0.5 })).rejects.toThrow(
      'backend.threads: expected int; got 0.5',
    );
    await expect(start(registry, { use: 'onnxruntime', thread: 2 })).rejects.toThrow(
      'backend.thread: unknown key; did you mean "threads"?',
    );
    await expect(start(registry, { use: 'cpu', threads: 2 })).rejects.toThrow('backend.threads: unknown key');
  });
});

describe('a backend asked for', () => {
  it('is taken whatever else there is', async () => {
    const { started, events } = await start(
      registryWith(async () => standIn()),
      'cpu',
    );
    expect(started).toBe('cpu');
    expect(tf.getBackend()).toBe('cpu');
    expect(events).toMatchObject([{ name: 'cpu', reason: expect.stringContaining('asked for') }]);
  });

  it('is not replaced by another when it cannot be had', async () => {
    await expect(start(registryWith(missing), 'tensorflow')).rejects.toMatchObject({
      exitCode: 2,
      message: 'backend: tensorflow cannot be used: @tensorflow/tfjs-node is not installed',
    });
  });

  it('is named with the nearest when there is none of that name', async () => {
    await expect(start(registryWith(missing), 'tensorflo')).rejects.toThrow(
      'backend.use: no backend is called "tensorflo"; did you mean "tensorflow"? choose from: auto, tensorflow-gpu, tensorflow, cpu',
    );
  });
});
