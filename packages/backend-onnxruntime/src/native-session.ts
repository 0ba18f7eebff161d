import { createRequire } from 'node:module';
import type { InferenceSession as OrtSession, Tensor as OrtTensor } from 'onnxruntime-common';

export type Feeds = Record<string, OrtTensor>;

/** A session that runs at once, in the calling thread. */
export interface NativeSession {
  run(feeds: Feeds, fetches: Record<string, OrtTensor | null>): Record<string, OrtTensor>;
  dispose(): void;
}

export interface SessionOptions {
  /** Threads inside one operator. */
  threads: number;
  graphOptimizationLevel: 'disabled' | 'basic' | 'extended' | 'all';
  executionProviders: string[];
}

interface Binding {
  binding: {
    listSupportedBackends(): { name: string; bundled: boolean }[];
    InferenceSession: new () => {
      loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: OrtSession.SessionOptions): void;
      run(feeds: Feeds, fetches: Record<string, OrtTensor | null>, options: object): Record<string, OrtTensor>;
      dispose(): void;
    };
  };
  initOrt(): void;
}

/** Versions whose binding has the shape above. */
const knownVersions = /^1\.(2\d|3\d)\./;

let loaded: { native: Binding; Tensor: typeof OrtTensor; version: string } | undefined;

/**
 * onnxruntime-node with its native binding. Its public session is asynchronous around a synchronous call; the binding itself is
 * what lets `dataSync` work and a step run without a turn of the event loop.
 *
 * @throws Error when onnxruntime-node is missing, is for another platform, or is of a version whose binding is not known
 */
export function loadOnnxRuntime(): NonNullable<typeof loaded> {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  const main = require.resolve('onnxruntime-node');
  const { version } = require('onnxruntime-node/package.json') as { version: string };
  if (!knownVersions.test(version)) {
    throw new Error(`onnxruntime-node ${version} is not supported; install 1.30`);
  }
  const { Tensor } = require(main) as { Tensor: typeof OrtTensor };
  const native = require(main.replace(/index\.js$/, 'binding.js')) as Binding;
  loaded = { native, Tensor, version };
  return loaded;
}

/** Compiles a model. @throws Error of onnxruntime when it refuses the model */
export function createSession(
  model: Uint8Array,
  options: SessionOptions,
  forceCpuNodeNames: string[] = [],
): NativeSession {
  const { native } = loadOnnxRuntime();
  native.initOrt();
  const session = new native.binding.InferenceSession();
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: options.graphOptimizationLevel,
    executionProviders: options.executionProviders.map((name) =>
      name === 'webgpu' && forceCpuNodeNames.length > 0
        ? ({ name, forceCpuNodeNames } as OrtSession.ExecutionProviderConfig)
        : name,
    ),
    // Errors are thrown; there is no need to print them too.
    logSeverityLevel: 4,
  });
  return {
    run: (feeds, fetches) => session.run(feeds, fetches, {}),
    dispose: () => session.dispose(),
  };
}
