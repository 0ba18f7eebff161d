import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

/** What tfjs hands to a kernel's function. */
export interface KernelArguments {
  inputs: tf.NamedTensorInfoMap;
  attrs?: object;
  backend: unknown;
}

/**
 * One call of a kernel made of other kernels. Everything it makes is freed at the end except the result, so a kernel
 * written with it leaves nothing behind in the backend.
 */
export class Workspace {
  readonly #backend: BackendWasm;
  readonly #owned: tf.TensorInfo[] = [];
  readonly #views: tf.TensorInfo[] = [];

  constructor(backend: BackendWasm) {
    this.#backend = backend;
  }

  /** Runs a registered wasm kernel without the engine: nothing is recorded, no gradient flows. */
  run(kernelName: string, inputs: Record<string, tf.TensorInfo>, attrs: object = {}): tf.TensorInfo {
    const kernel = tf.getKernel(kernelName, 'wasm');
    return this.own(kernel.kernelFunc({ inputs, attrs: attrs as tf.NamedAttrMap, backend: this.#backend }));
  }

  /** Frees `result` at the end of the call, unless it is what the call returns. */
  own(result: tf.TensorInfo | tf.TensorInfo[]): tf.TensorInfo {
    const info = result as tf.TensorInfo;
    this.#owned.push(info);
    return info;
  }

  /** A new tensor, not cleared. Making one may move the heap: take {@link heap} afterwards. */
  empty(shape: number[], dtype: tf.DataType = 'float32'): tf.TensorInfo {
    return this.own(this.#backend.makeOutput(shape, dtype));
  }

  zeros(shape: number[]): tf.TensorInfo {
    const info = this.empty(shape);
    this.values(info).fill(0);
    return info;
  }

  /** The same values under another shape; no copy. */
  reshape(info: tf.TensorInfo, shape: number[]): tf.TensorInfo {
    return { ...info, shape };
  }

  /**
   * A window of float32s into another tensor's memory; no copy. It may run over the tensor's end into what lies there,
   * so the caller leaves room.
   *
   * @param start in elements from the tensor's first
   */
  view(info: tf.TensorInfo, start: number, shape: number[]): tf.TensorInfo {
    const view = this.#backend.makeOutput(shape, 'float32', this.#offset(info) + 4 * start);
    this.#views.push(view);
    return view;
  }

  /** All of the wasm heap as float32, until the next allocation. */
  heap(): Float32Array {
    // emscripten's field, which the module's published type leaves out
    return (this.#backend.wasm as unknown as { HEAPF32: Float32Array }).HEAPF32;
  }

  /** The same as 32-bit words, for copying values of any type of four bytes unchanged. */
  words(): Int32Array {
    return (this.#backend.wasm as unknown as { HEAP32: Int32Array }).HEAP32;
  }

  /** Index of a tensor's first element in {@link heap}. */
  start(info: tf.TensorInfo): number {
    return this.#offset(info) / 4;
  }

  /** A tensor's memory, until the next allocation. */
  values(info: tf.TensorInfo): Float32Array {
    return this.heap().subarray(this.start(info), this.start(info) + tf.util.sizeFromShape(info.shape));
  }

  /** An int32 tensor's memory, until the next allocation. */
  integers(info: tf.TensorInfo): Int32Array {
    return this.#backend.typedArrayFromHeap(info) as Int32Array;
  }

  /** Frees something made here before the call ends, so that its memory can be used again. */
  free(info: tf.TensorInfo): void {
    this.#owned.splice(
      this.#owned.findIndex((owned) => owned.dataId === info.dataId),
      1,
    );
    this.#backend.disposeData(info.dataId);
  }

  /** Frees what the call made. A `result` under another shape keeps the memory it shares. */
  finish(result?: tf.TensorInfo): void {
    for (const view of this.#views) {
      // The memory is another tensor's: forget the handle, do not free.
      this.#backend.wasm.tfjs.disposeData(this.#backend.dataIdMap.get(view.dataId).id);
      this.#backend.dataIdMap.delete(view.dataId);
    }
    let kept = false;
    for (const info of this.#owned) {
      if (!kept && info.dataId === result?.dataId) kept = true;
      else this.#backend.disposeData(info.dataId);
    }
    // An input handed back under another shape: the engine counts it as one more reference.
    if (result && !kept) this.#backend.incRef(result.dataId);
  }

  #offset(info: tf.TensorInfo): number {
    return this.#backend.dataIdMap.get(info.dataId).memoryOffset;
  }
}

/** A kernel function whose body works in a {@link Workspace}. */
export function composed<Inputs extends object, Attributes extends object>(
  body: (workspace: Workspace, inputs: Inputs, attributes: Attributes) => tf.TensorInfo,
): (args: KernelArguments) => tf.TensorInfo {
  return ({ inputs, attrs, backend }) => {
    const workspace = new Workspace(backend as BackendWasm);
    let result: tf.TensorInfo | undefined;
    try {
      result = body(workspace, inputs as unknown as Inputs, (attrs ?? {}) as Attributes);
      return result;
    } finally {
      workspace.finish(result);
    }
  };
}
