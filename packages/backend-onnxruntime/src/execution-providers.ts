import { InputError, messageOf } from '@retort/core';
import { createSession, loadOnnxRuntime } from './native-session.js';
import { encodeModel } from './onnx-model.js';

/** What to do when a provider that this onnxruntime-node knows does not start. */
const remedies: Record<string, string> = {
  webgpu:
    "webgpu needs a GPU driver that Dawn finds: on Linux libvulkan.so.1 (Debian's libvulkan1) and a Vulkan driver of the GPU, which vulkaninfo lists",
  cuda: "cuda needs NVIDIA's driver, CUDA 12 and cuDNN, and libraries that onnxruntime-node's install script downloads: node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12",
  tensorrt: 'tensorrt needs what cuda needs, and TensorRT',
};

/** Names of the execution providers in this build of onnxruntime-node; some need libraries that npm does not bring. */
export function availableProviders(): { name: string; bundled: boolean }[] {
  return loadOnnxRuntime().native.binding.listSupportedBackends();
}

/**
 * Starts each execution provider on a graph of one node, so that one that is not there is known before anything is recorded.
 *
 * @throws InputError that names the provider and says what is there and what to do
 */
export function checkProviders(names: readonly string[]): void {
  for (const name of names) {
    if (name === 'cpu') continue;
    const { version } = loadOnnxRuntime();
    const available = availableProviders();
    const there = available
      .map((each) => (each.bundled ? each.name : `${each.name} (if its libraries are installed)`))
      .join(', ');
    if (!available.some((each) => each.name === name)) {
      throw new InputError(
        `execution provider "${name}" is not part of onnxruntime-node ${version} for ${process.platform}-${process.arch}`,
        { hints: [`there are: ${there}`, "leave executionProviders out for the default, ['cpu']"] },
      );
    }
    try {
      createSession(probe(), {
        threads: 1,
        graphOptimizationLevel: 'all',
        executionProviders: [name],
      }).dispose();
    } catch (error) {
      throw new InputError(`execution provider "${name}" does not start: ${lastLine(messageOf(error))}`, {
        hints: [
          ...(remedies[name] ? [remedies[name]] : []),
          `this onnxruntime-node ${version} has: ${there}; leave executionProviders out for the default, ['cpu']`,
        ],
        cause: error,
      });
    }
  }
}

/** y = x + x. */
function probe(): Uint8Array {
  const one = { type: 'float32', shape: [1] } as const;
  const add = { op: 'Add', inputs: ['x', 'x'], outputs: ['y'], attributes: {}, name: 'probe' };
  return encodeModel([add], [{ name: 'x', ...one }], [{ name: 'y', ...one }], []);
}

/** onnxruntime's messages begin with a place in its source. */
function lastLine(message: string): string {
  return message.replace(/^.*\bwas false\. /s, '').trim();
}
