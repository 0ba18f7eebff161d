import { createSession, type DeviceTensor, type NativeSession, type SessionOptions } from './native-session.js';
import { encodeModel } from './onnx-model.js';
import type { RecordedNode, Value } from './recording.js';

/**
 * Names of the nodes that the webgpu provider of onnxruntime 1.30 takes and then fails to run, or runs wrongly; the cpu provider
 * takes them when it is told to. Found by tfjs's own test suite.
 *
 * @param nodes of a graph, called n0, n1, … in it
 */
export function nodesWebgpuRefuses(nodes: readonly RecordedNode[]): string[] {
  return nodes.flatMap((node, n) => (wrongOnWebgpu[node.op]?.(node) ? [`n${n}`] : []));
}

const wrongOnWebgpu: Partial<Record<string, (node: RecordedNode) => boolean>> = {
  // "The Indices output is not supported yet", when it runs.
  MaxPool: ({ outputs }) => outputs.length > 1,
  // A filter of the size of the image is a matrix product to it, also where padding at the end makes more outputs than one.
  Conv: ({ inputs: [x, filter], attributes: { pads } }) =>
    x!.shape.slice(2).every((size, axis) => size === filter!.shape[2 + axis]) &&
    ((pads as readonly number[] | undefined) ?? []).some((padding) => padding > 0),
  // Groups of several channels get one another's filters.
  ConvTranspose: ({ inputs: [x], attributes: { group } }) => {
    const groups = (group as number | undefined) ?? 1;
    return groups > 1 && x!.shape[1] > groups;
  },
  // Steps backwards begin at the end, wherever they were to begin.
  Slice: ({ inputs: [, , , , steps] }) =>
    steps?.from.kind === 'constant' && new BigInt64Array(steps.from.data.slice().buffer).some((step) => step < 0n),
};

/** Its depthwise convolutions apply another activation than the one that was fused into them. */
export const wrongOptimizerOnWebgpu = 'ConvActivationFusion';

/**
 * Whether a result stays in the memory of the GPU until somebody reads it: weights and slots do, and are fed to the next graph
 * from there. A single number is likely to be read.
 */
export function staysOnDevice({ type, shape }: Value): boolean {
  return type === 'float32' && shape.reduce((size, n) => size * n, 1) > 1;
}

export function isDeviceTensor(numbers: object): numbers is DeviceTensor {
  return (numbers as Partial<DeviceTensor>).location === 'gpu-buffer';
}

/** A device tensor as a graph takes it. */
export function deviceFeed({ location, gpuBuffer }: DeviceTensor, shape: readonly number[]): object {
  return { type: 'float32', dims: shape, location, gpuBuffer };
}

/** Reads device tensors: the binding cannot, so a graph does nothing to them and gives its result in host memory. */
export class Downloads {
  #session: NativeSession | undefined;
  readonly #options: SessionOptions;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  read(tensor: DeviceTensor, size: number): Float32Array {
    this.#session ??= createSession(identity(), this.#options);
    return this.#session.run({ x: deviceFeed(tensor, [size]) }, { y: null }).y.data as Float32Array;
  }

  dispose(): void {
    this.#session?.dispose();
    this.#session = undefined;
  }
}

/** y = x, of any number of values. */
function identity(): Uint8Array {
  const port = { type: 'float32', shape: ['n'] } as const;
  const node = { op: 'Identity', inputs: ['x'], outputs: ['y'], attributes: {}, name: 'download' };
  return encodeModel([node], [{ name: 'x', ...port }], [{ name: 'y', ...port }], []);
}
