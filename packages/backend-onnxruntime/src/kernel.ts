import * as tf from '@tensorflow/tfjs';
import { RunError } from '@retort/core';
import type { OnnxRuntimeBackend } from './backend.js';
import { runOnCpu } from './cpu-kernel.js';

export const backendName = 'onnxruntime';

type Inputs = Record<string, tf.TensorInfo>;
/** undefined: ONNX has no form for these inputs and attributes, and tfjs's cpu kernel answers. */
type Outputs = tf.TensorInfo | tf.TensorInfo[] | undefined;

/** A kernel as a value: what it records for its inputs and attributes. */
export interface OnnxKernel {
  name: string;
  record(inputs: Inputs, attributes: Record<string, never>, backend: OnnxRuntimeBackend): Outputs;
  /** It records for strings, complex numbers and empty tensors too; the cpu kernel answers these otherwise. */
  anyTensor: boolean;
  /** For which inputs it leaves the call to the cpu kernel, in words; the table of kernels shows it. */
  except: string;
}

/**
 * Types a kernel's inputs and attributes.
 *
 * @param record emits nodes and returns `backend.output(value)`, one per output tensor; undefined leaves the call to tfjs's cpu
 *   kernel
 */
export function kernel<I extends object = { x: tf.TensorInfo }, A extends object = object>(
  name: string,
  record: (inputs: I, attributes: A, backend: OnnxRuntimeBackend) => Outputs,
  { anyTensor = false, except = '' } = {},
): OnnxKernel {
  return { name, record: record as unknown as OnnxKernel['record'], anyTensor, except };
}

/** Registers a kernel with tfjs. */
export function registerOnnxKernel({ name, record, anyTensor }: OnnxKernel): void {
  tf.registerKernel({
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const onnx = backend as OnnxRuntimeBackend;
      const obstacle = tensorsOf(inputs as Inputs)
        .map(obstacleIn)
        .find(Boolean);
      return withinMemory(name, inputs as Inputs, attrs, () => {
        if (!obstacle || anyTensor) {
          onnx.begin(describe(name, inputs as Inputs));
          const outputs = record(inputs as Inputs, (attrs ?? {}) as Record<string, never>, onnx);
          if (outputs) return outputs;
        }
        return runOnCpu(name, inputs as tf.NamedTensorInfoMap, attrs, onnx, obstacle && `${name} of ${obstacle}`);
      });
    },
  });
}

/** Runs a kernel; an array that does not fit into memory is told with the kernel that wanted it. */
export function withinMemory<T>(name: string, inputs: Inputs, attrs: tf.NamedAttrMap | undefined, run: () => T): T {
  try {
    return run();
  } catch (error) {
    // By name: typed arrays of another realm throw that realm's.
    const { name: kind, message } = error as Error;
    if (kind !== 'RangeError') throw error;
    throw new RunError(`${describe(name, inputs)} with ${JSON.stringify(attrs)}: out of memory: ${message}`, {
      cause: error,
    });
  }
}

function tensorsOf(inputs: Inputs): (tf.TensorInfo | undefined)[] {
  return Object.values(inputs).flat();
}

/** What keeps a tensor out of ONNX graphs. */
function obstacleIn(tensor: tf.TensorInfo | undefined): string | undefined {
  if (tensor?.dtype === 'string') return 'strings';
  if (tensor?.dtype === 'complex64') return 'complex numbers';
  return tensor?.shape.includes(0) ? 'an empty tensor' : undefined;
}

function describe(name: string, inputs: Inputs): string {
  return `${name}(${tensorsOf(inputs)
    .map((tensor) => (tensor ? `${tensor.dtype}[${tensor.shape.join()}]` : ''))
    .join(', ')})`;
}
