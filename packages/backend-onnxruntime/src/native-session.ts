import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { InputError, messageOf } from '@retort/core';
import type { InferenceSession as OrtSession, Tensor as OrtTensor } from 'onnxruntime-common';

/** A tensor of a GPU provider that is not in host memory; its shape is whatever it is fed as. */
export interface DeviceTensor {
  location: 'gpu-buffer';
  gpuBuffer: unknown;
  /** Frees the memory of the GPU; garbage collection does not. To be called once. */
  dispose(): void;
}

/** A session that runs at once, in the calling thread. */
export interface NativeSession {
  /** @param feeds tensors, or device tensors with type and dims */
  run(feeds: Record<string, object>, fetches: Record<string, null>): Record<string, OrtTensor>;
  /** Ends the session when the device tensors it made are disposed. */
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
      run(feeds: Record<string, object>, fetches: Record<string, null>, options: object): Record<string, OrtTensor>;
      dispose(): void;
    };
  };
  initOrt(): void;
}

/** Versions whose binding has the shape above. */
const knownVersions = /^1\.(2\d|3\d)\./;

const install = 'npm install onnxruntime-node@1.30.0';

let loaded: { native: Binding; Tensor: typeof OrtTensor; version: string } | undefined;

/**
 * onnxruntime-node with its native binding. Its public session is asynchronous around a synchronous call; the binding itself is
 * what lets `dataSync` work and a step run without a turn of the event loop.
 *
 * @throws InputError when onnxruntime-node is missing, is for another platform, or is of a version whose binding is not known
 */
export function loadOnnxRuntime(): NonNullable<typeof loaded> {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  let main: string;
  let version: string;
  try {
    main = require.resolve('onnxruntime-node');
    ({ version } = require('onnxruntime-node/package.json') as { version: string });
  } catch (error) {
    throw new InputError('onnxruntime-node is not installed', { hints: [install], cause: error });
  }
  if (!knownVersions.test(version)) {
    throw new InputError(`onnxruntime-node ${version} is not supported`, { hints: [install] });
  }
  try {
    const { Tensor } = require(main) as { Tensor: typeof OrtTensor };
    const native = require(main.replace(/index\.js$/, 'binding.js')) as Binding;
    loaded = { native, Tensor, version };
  } catch (error) {
    const { platform, arch } = process;
    const platforms = librariesIn(join(dirname(main), '../bin'));
    if (!platforms.includes(`${platform} ${arch}`)) {
      throw new InputError(`onnxruntime-node ${version} has no library for ${platform} ${arch}`, {
        hints: [`it has: ${platforms.join(', ') || 'none'}`, 'node_modules of another machine? Install on this one'],
        cause: error,
      });
    }
    throw new InputError(`onnxruntime-node ${version} does not load: ${messageOf(error).split('\n')[0]}`, {
      hints: [`its library for ${platform} ${arch} is there but not for this system, or damaged; ${install}`],
      cause: error,
    });
  }
  return loaded;
}

/** `linux x64` for each platform whose binding is in the package. */
function librariesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => path.split(sep))
    .filter((path) => path.at(-1) === 'onnxruntime_binding.node')
    .map((path) => path.slice(-3, -1).join(' '));
}

/** Where a GPU provider's nodes and results go. */
export interface Placement {
  /** Names of nodes that the provider leaves to the processor. */
  onCpu?: string[];
  /** Names of outputs that stay in its memory. */
  onDevice?: string[];
  /** An optimizer of onnxruntime's that is left out. */
  withoutOptimizer?: string;
}

/** Compiles a model. @throws Error of onnxruntime when it refuses the model */
export function createSession(
  model: Uint8Array,
  options: SessionOptions,
  { onCpu = [], onDevice = [], withoutOptimizer }: Placement = {},
): NativeSession {
  const { native } = loadOnnxRuntime();
  native.initOrt();
  const session = new native.binding.InferenceSession();
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // With it a session keeps twice the memory, one block planned beside the arena that its first run has filled, and is no faster.
    enableMemPattern: false,
    graphOptimizationLevel: options.graphOptimizationLevel,
    executionProviders: options.executionProviders.map((name) =>
      name === 'webgpu' && onCpu.length > 0
        ? ({ name, forceCpuNodeNames: onCpu } as OrtSession.ExecutionProviderConfig)
        : name,
    ),
    ...(onDevice.length > 0 && {
      preferredOutputLocation: Object.fromEntries(onDevice.map((name) => [name, 'gpu-buffer' as const])),
    }),
    extra: {
      // Threads that wait in a loop gain nothing on free cores and take them from teachers and loaders on busy ones.
      session: { intra_op: { allow_spinning: '0' } },
      ...(withoutOptimizer !== undefined && {
        optimization: { disable_specified_optimizers: withoutOptimizer },
      }),
    },
    // Errors are thrown; there is no need to print them too.
    logSeverityLevel: 4,
  });
  // Freeing what stayed on a GPU after its session is gone ends the process.
  let alive = 0;
  let ended = false;
  const end = () => {
    if (ended && alive === 0) session.dispose();
  };
  return {
    run(feeds, fetches) {
      const results = session.run(feeds, fetches, {});
      for (const name of onDevice) {
        const tensor = results[name];
        const free = tensor.dispose.bind(tensor);
        alive++;
        tensor.dispose = () => {
          free();
          alive--;
          end();
        };
      }
      return results;
    },
    dispose() {
      ended = true;
      end();
    },
  };
}
