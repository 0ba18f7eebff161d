import { Worker } from 'node:worker_threads';
import { messageOf, RunError } from '@retort/core';
import type { HostTensor } from '@retort/core';
import type { Normalization } from './preprocessing.js';

/** A value of the graph. Sizes that are free are names. */
export interface OnnxValue {
  name: string;
  type: string;
  shape: (number | string)[];
}

export interface OnnxPlan {
  input: string;
  outputs: string[];
  /** Of images. */
  normalization?: Normalization;
  /** The type of ids, where the input is not images but texts. */
  ids?: 'int32' | 'int64';
  /** What the graph's batch axis is fixed to. */
  batchSize?: number;
}

/** An ONNX model in a worker thread. Calls are answered in order. */
export interface OnnxSession {
  inputs: OnnxValue[];
  outputNames: string[];
  plan(plan: OnnxPlan): Promise<void>;
  /**
   * @param input images [B, H, W, 3], pixels in [0, 1], or with a plan of `ids` texts [T, N] int32
   * @returns the plan's outputs in order, feature maps as [B, H, W, K]
   */
  infer(input: HostTensor): Promise<HostTensor[]>;
  close(): Promise<void>;
}

/**
 * @throws Error with what onnxruntime says about the bytes, and RunError when the thread ends; so do all calls
 */
export async function openOnnxSession(
  bytes: Uint8Array,
  { name, threads, layout }: { name: string; threads: number; layout: 'nchw' | 'nhwc' },
): Promise<OnnxSession> {
  const copy = new Uint8Array(bytes);
  const worker = new Worker(new URL('./onnx-worker.mjs', import.meta.url), {
    workerData: { bytes: copy, threads, layout },
    transferList: [copy.buffer],
  });
  const pending = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  let dead: Error | undefined;
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const die = (reason: string, cause?: unknown) => {
    dead ??= new RunError(`the onnxruntime thread of ${name} ended: ${reason}`, { cause });
    for (const { reject } of pending.values()) reject(dead);
    pending.clear();
  };
  worker.on('error', (error) => die(messageOf(error), error));
  worker.on('exit', (code) => die(`exit code ${code}`));
  worker.on('message', ({ id, result, error }: { id: number; result: never; error?: string }) => {
    const call = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) worker.unref(); // an idle teacher does not keep the process alive
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(error));
  });
  let calls = 0;
  const call = <T>(method: string, argument?: unknown, transfer: ArrayBuffer[] = []): Promise<T> =>
    new Promise((resolve, reject) => {
      if (dead) {
        reject(dead);
        return;
      }
      pending.set(++calls, { resolve, reject });
      worker.ref();
      worker.postMessage({ id: calls, method, argument }, transfer);
    });
  const close = async (): Promise<void> => {
    worker.ref();
    if (!dead) worker.postMessage({ id: 0, method: 'close' });
    await exited;
  };

  try {
    const { inputs, outputNames } = await call<{ inputs: OnnxValue[]; outputNames: string[] }>('open');
    return {
      inputs,
      outputNames,
      plan: (plan) => call('plan', plan),
      infer: async ({ data, shape }) => {
        // The batch is other teachers' and the student's too: the copy is what is handed over.
        const own = data instanceof Int32Array ? Int32Array.from(data) : Float32Array.from(data);
        const input = { buffer: own.buffer, shape };
        const { outputs } = await call<{ outputs: (typeof input)[] }>('infer', input, [own.buffer]);
        return outputs.map((output) => ({ data: new Float32Array(output.buffer), shape: output.shape }));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
