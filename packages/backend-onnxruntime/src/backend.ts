import * as tf from '@tensorflow/tfjs';
import { type CompileOptions, GraphCache } from './compiled-graph.js';
import { type DeviceTensor, loadOnnxRuntime } from './native-session.js';
import type { ElementType } from './onnx-model.js';
import { compileStep, type TensorMap } from './replay.js';
import { neededNodes, numberGraph, type NumberedGraph, Recording, type Value } from './recording.js';
import { deviceFeed, Downloads, isDeviceTensor } from './webgpu.js';

export interface OnnxRuntimeOptions extends CompileOptions {
  /** Compiled graphs kept. */
  cacheSize: number;
  /** A recording of more nodes than this runs without being asked for. */
  maximalNodes: number;
}

export const defaultOptions: OnnxRuntimeOptions = {
  threads: 1,
  graphOptimizationLevel: 'all',
  executionProviders: ['cpu'],
  cacheSize: 64,
  maximalNodes: 20_000,
};

/** Numbers in host memory, or in that of a GPU. */
export type Numbers = tf.backend_util.BackendValues | DeviceTensor;

/** Where the numbers of a tensor are: in host memory, on a GPU, or in a graph that has not run. */
export interface Data {
  dtype: tf.DataType;
  size: number;
  refCount: number;
  /** Float32Array, Int32Array, Uint8Array (bool); strings as bytes; undefined while pending, and on a GPU until it is read. */
  values?: tf.backend_util.BackendValues;
  /** The same numbers in the memory of a GPU. */
  device?: DeviceTensor;
  /** A replayed step is fed from it, disposed or not. */
  retained?: boolean;
  /** The pending result. */
  value?: Value;
  /** Its feed in the recording under way. */
  feed?: Value;
  complex?: { real: tf.TensorInfo; imag: tf.TensorInfo };
  /** Why there are no numbers: the graph that would have made them failed. */
  error?: unknown;
}

/** Counters for people who want to know what is slow. */
export interface BackendStatistics {
  runs: number;
  compiled: number;
  /** Compiled graphs that are kept. */
  graphs: number;
  /** What their intermediate values take at most, each graph's memory being its own; reckoned from shapes. */
  graphBytes: number;
  /** The most that tensors have taken in host memory. */
  peakBytesInHost: number;
  cacheHits: number;
  compileMilliseconds: number;
  runMilliseconds: number;
  /** Time inside tfjs's cpu kernels. */
  fallbackMilliseconds: number;
  /** Kernels that ran on tfjs's cpu backend, by name; recorded ones too, as 'Concat of strings', for tensors ONNX does not hold. */
  fallbacks: Record<string, number>;
}

/**
 * A tfjs backend that records kernels and runs them as one ONNX graph when a value is read. Values nobody holds any more are
 * internal to the graph; equal structures are compiled once.
 */
export class OnnxRuntimeBackend extends tf.KernelBackend {
  readonly options: OnnxRuntimeOptions;
  readonly cache: GraphCache;
  readonly fallbacks = new Map<string, number>();
  fallbackMilliseconds = 0;
  #recording = new Recording();
  readonly #data = new Map<object, Data>();
  /** Data whose value is pending. */
  readonly #pending = new Set<Data>();
  readonly #fed = new Set<Data>();
  readonly #constants = new Map<string, Value>();
  readonly #downloads: Downloads;
  /** Data on a GPU that nobody holds any more, but the recording under way. */
  readonly #dropped: Data[] = [];
  /** What is recorded runs when the program next awaits. */
  #yields = false;
  #bytes = 0;
  #peakBytes = 0;
  #runs = 0;
  #runMilliseconds = 0;

  constructor(options: Partial<OnnxRuntimeOptions> = {}) {
    super();
    this.options = { ...defaultOptions, ...options };
    this.cache = new GraphCache(this.options.cacheSize, this.options);
    this.#downloads = new Downloads(this.options);
    loadOnnxRuntime();
  }

  /** A step that is recorded once per shapes of its inputs and replayed afterwards; see `compile` of @retort/nn. */
  compileStep<I extends TensorMap, O extends TensorMap>(
    step: (inputs: I) => O,
    variables: Record<string, tf.Variable>,
  ): (inputs: I) => O {
    return compileStep(this, step, variables);
  }

  // Recording, for kernels.

  /** Begins a kernel: what it emits is told apart by this text in errors. */
  begin(kernel: string): void {
    // Here and not when a value is output, since a kernel may still hold values of the recording then.
    if (this.#recording.nodes.length > this.options.maximalNodes) this.flush();
    if (!this.#yields) {
      // A program that reads nothing back, such as an epoch of model.fit, would be one graph of any size otherwise, and another
      // one for each number of steps. Where it first awaits is the end of a step more often than not, and the same every time.
      this.#yields = true;
      queueMicrotask(() => {
        this.#yields = false;
        this.flush();
      });
    }
    this.#recording.kernel = kernel;
  }

  /** The value of a tensor in the recording, in the shape the tensor has. */
  value(tensor: tf.TensorInfo): Value {
    const value = this.heldValue(tensor);
    return sameShape(value.shape, tensor.shape) ? value : this.reshape(value, tensor.shape);
  }

  /** The same in the shape it was recorded or first fed in, which is not the tensor's when that was reshaped. */
  heldValue({ dataId, shape, dtype }: tf.TensorInfo): Value {
    const data = this.#find(dataId);
    let value = data.value ?? data.feed;
    if (!value) {
      if (data.error) throw data.error;
      if (dtype === 'string' || dtype === 'complex64')
        throw new Error(`the onnxruntime backend does not record ${dtype} tensors`);
      value = { type: dtype as ElementType, shape: shape.slice(), from: { kind: 'input', source: data } };
      data.feed = value;
      this.#fed.add(data);
    }
    return value;
  }

  /** A node with one output. */
  emit(
    op: string,
    inputs: readonly (Value | undefined)[],
    shape: readonly number[],
    { type = inputs[0]!.type, ...attributes }: { type?: ElementType } & Parameters<Recording['emit']>[2] = {} as never,
  ): Value {
    return this.#recording.emit(op, inputs, attributes as Parameters<Recording['emit']>[2], [{ type, shape }])[0];
  }

  /** A node with several outputs. */
  emitAll(...args: Parameters<Recording['emit']>): Value[] {
    return this.#recording.emit(...args);
  }

  reshape(value: Value, shape: readonly number[]): Value {
    if (sameShape(value.shape, shape)) return value;
    return this.emit('Reshape', [value, this.integers(shape)], shape, { allowzero: 1 });
  }

  /** An int64 list, such as axes and shapes. */
  integers(values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values.map(BigInt)), [values.length], 'int64');
  }

  /** A float32 (or int32) number of rank 0. */
  scalar(value: number, type: 'float32' | 'int32' = 'float32'): Value {
    return this.constant(type === 'float32' ? Float32Array.of(value) : Int32Array.of(value), [], type);
  }

  /** Numbers that are part of the graph's structure. */
  constant(
    data: Float32Array | Int32Array | BigInt64Array | Uint8Array,
    shape: readonly number[],
    type: ElementType,
  ): Value {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = `${type}[${shape.join()}]${Buffer.from(bytes).toString('base64')}`;
    let value = this.#constants.get(key);
    if (!value) {
      value = { type, shape, from: { kind: 'constant', data: bytes.slice() } };
      this.#constants.set(key, value);
    }
    return value;
  }

  /** A tensor whose numbers are a recorded value. */
  output(value: Value, dtype: tf.DataType = value.type as tf.DataType): tf.TensorInfo {
    const dataId = {};
    const data: Data = { dtype, size: sizeOf(value.shape), refCount: 1 };
    this.#data.set(dataId, data);
    if (data.size === 0) {
      data.values = normalized([] as never, dtype);
    } else {
      data.value = value;
      this.#pending.add(data);
    }
    return { dataId, shape: value.shape.slice(), dtype };
  }

  /**
   * Runs what is recorded; pending values that are still held get their numbers. When the graph fails, each of them is computed on
   * its own, and those that fail again throw their error where they are read.
   *
   * @param computed numbers of values that a graph has given already
   */
  flush(computed: ReadonlyMap<Value, Numbers> = new Map()): void {
    const held = [...this.#pending];
    const wanted = [...new Set(held.map(({ value }) => value!))].filter(
      (value) => value.from.kind === 'node' && !computed.has(value),
    );
    const results = new Map(computed);
    const failures = new Map<Value, unknown>();
    const compute = (outputs: Value[]): void => {
      try {
        const graph = numberGraph(neededNodes(this.#recording.nodes, outputs), outputs);
        const fed = graph.inputs.map(({ from }) => this.numbersOf((from as { source: Data }).source));
        const numbers = this.run(graph, fed);
        for (const output of outputs) results.set(output, numbers[graph.names.get(output)!]);
      } catch (error) {
        if (outputs.length === 1) failures.set(outputs[0], error);
        else for (const output of outputs) compute([output]);
      }
    };
    if (wanted.length > 0) compute(wanted);
    for (const data of held) {
      const value = data.value!;
      // One that went through unchanged is a fed value or a constant.
      if (value.from.kind === 'input') data.values = this.valuesOf(value.from.source as Data);
      else if (value.from.kind === 'constant') data.values = typedView(value.from.data, value.type);
      else if (failures.has(value)) data.error = failures.get(value);
      else setNumbers(data, results.get(value)!);
      this.#hold(byteLength(data));
      data.value = undefined;
    }
    this.#pending.clear();
    for (const data of this.#fed) data.feed = undefined;
    this.#fed.clear();
    for (const data of this.#dropped.splice(0)) this.#free(data);
    this.#constants.clear();
    this.#recording = new Recording();
  }

  // For replaying a recorded step.

  dataOf(dataId: object): Data {
    return this.#find(dataId);
  }

  /** The numbers of a tensor if they are in host memory: reading them runs nothing. */
  hostValues(dataId: object): tf.backend_util.BackendValues | undefined {
    return this.#find(dataId).values;
  }

  /** The numbers behind a fed value, wherever they are. */
  numbersOf(data: Data): Numbers {
    return data.device ?? data.values!;
  }

  /** The same in host memory. */
  valuesOf(data: Data): tf.backend_util.BackendValues {
    if (!data.values) {
      data.values = this.#downloads.read(data.device!, data.size);
      this.#hold(byteLength(data));
    }
    return data.values;
  }

  /** Like `readSync`, but numbers on a GPU stay there. */
  readNumbers(dataId: object): Numbers {
    const data = this.#find(dataId);
    if (data.value) this.flush();
    return data.device ?? this.readSync(dataId);
  }

  /** Keeps the numbers for as long as somebody holds this data, although its tensor may be disposed. */
  retain(data: Data): void {
    data.retained = true;
  }

  /**
   * What is recorded, as a graph of its own that gives these values.
   *
   * @param freeze fed values whose numbers become constants of the graph
   */
  pendingGraph(outputs: readonly Value[], freeze: (value: Value) => boolean): NumberedGraph {
    const computed = outputs.filter(({ from }) => from.kind === 'node');
    return numberGraph(neededNodes(this.#recording.nodes, computed), [...new Set(computed)], (value) => {
      if (value.from.kind !== 'input' || !freeze(value)) return undefined;
      const values = this.valuesOf(value.from.source as Data) as Float32Array;
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    });
  }

  /** Runs a graph with these numbers for its inputs, in order. */
  run(graph: NumberedGraph, values: readonly Numbers[]): Record<string, Numbers> {
    const session = this.cache.find(graph);
    const { Tensor } = loadOnnxRuntime();
    const feeds = Object.fromEntries(
      graph.inputs.map((input, i) => {
        const numbers = values[i];
        return [
          graph.names.get(input)!,
          isDeviceTensor(numbers)
            ? deviceFeed(numbers, input.shape)
            : new Tensor(input.type as 'float32', numbers as Float32Array, input.shape),
        ];
      }),
    );
    const fetches = Object.fromEntries(graph.outputs.map((output) => [graph.names.get(output)!, null]));
    const began = performance.now();
    try {
      const results = session.run(feeds, fetches);
      return Object.fromEntries(
        Object.entries(results).map(([name, tensor]) => [
          name,
          isDeviceTensor(tensor) ? tensor : (tensor.data as tf.backend_util.BackendValues),
        ]),
      );
    } finally {
      this.#runs++;
      this.#runMilliseconds += performance.now() - began;
    }
  }

  /** Gives a tensor new numbers in place. @returns false when another tensor shares them, or what is recorded needs the old ones */
  replaceValues(dataId: object, numbers: Numbers): boolean {
    const data = this.#find(dataId);
    if (data.refCount !== 1 || data.value || data.feed) return false;
    this.#bytes -= byteLength(data);
    data.device?.dispose();
    setNumbers(data, numbers);
    this.#hold(byteLength(data));
    return true;
  }

  /** A tensor of numbers that this backend takes over. */
  adopt(numbers: Numbers, shape: number[], dtype: tf.DataType): tf.DataId {
    if (!isDeviceTensor(numbers)) return this.write(numbers, shape, dtype);
    const dataId = {};
    this.#data.set(dataId, { dtype, size: sizeOf(shape), refCount: 1, device: numbers });
    return dataId;
  }

  statistics(): BackendStatistics {
    return {
      runs: this.#runs,
      compiled: this.cache.misses,
      graphs: this.cache.count,
      graphBytes: this.cache.bytes,
      peakBytesInHost: this.#peakBytes,
      cacheHits: this.cache.hits,
      compileMilliseconds: this.cache.compileMilliseconds,
      runMilliseconds: this.#runMilliseconds,
      fallbackMilliseconds: this.fallbackMilliseconds,
      fallbacks: Object.fromEntries(this.fallbacks),
    };
  }

  // tfjs's own interface.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    // A copy: the caller may fill its array anew before what is recorded runs.
    this.move(dataId, ArrayBuffer.isView(values) ? (values as Float32Array).slice() : values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    if (dtype === 'complex64') {
      const parts = tf.backend_util.splitRealAndImagArrays(values as Float32Array);
      const part = (name: 'real' | 'imag'): tf.TensorInfo => ({
        dataId: this.write(parts[name], shape, 'float32'),
        shape,
        dtype: 'float32',
      });
      const complex = { real: part('real'), imag: part('imag') };
      this.#data.set(dataId, { dtype, size: sizeOf(shape), refCount, complex });
      return;
    }
    const data: Data = { dtype, size: sizeOf(shape), refCount, values: normalized(values, dtype) };
    this.#data.set(dataId, data);
    this.#hold(byteLength(data));
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    const data = this.#find(dataId);
    if (data.complex) {
      const [real, imag] = [data.complex.real, data.complex.imag].map(
        (part) => this.readSync(part.dataId) as Float32Array,
      );
      return tf.backend_util.mergeRealAndImagArrays(real, imag);
    }
    if (data.value) this.flush();
    if (data.error) throw data.error;
    return this.valuesOf(data);
  }

  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object, force = false): boolean {
    const data = this.#data.get(dataId);
    if (!data) return false;
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    if (data.complex) {
      this.disposeData(data.complex.real.dataId, true);
      this.disposeData(data.complex.imag.dataId, true);
    }
    this.#bytes -= byteLength(data);
    if (data.device) {
      // The recording under way is fed from it.
      if (data.feed) this.#dropped.push(data);
      else this.#free(data);
    }
    this.#pending.delete(data);
    this.#data.delete(dataId);
    return true;
  }

  override incRef(dataId: object): void {
    this.#find(dataId).refCount++;
  }

  override refCount(dataId: object): number {
    return this.#data.get(dataId)?.refCount ?? 0;
  }

  override numDataIds(): number {
    return this.#data.size;
  }

  override memory(): { unreliable: boolean; numBytesInHost: number; numBytesInGPU: number; pendingNodes: number } {
    let numBytesInGPU = 0;
    for (const { device, size } of this.#data.values()) if (device) numBytesInGPU += 4 * size;
    const pendingNodes = this.#recording.nodes.length;
    return { unreliable: false, numBytesInHost: this.#bytes, numBytesInGPU, pendingNodes };
  }

  override async time(body: () => void): Promise<{ kernelMs: number }> {
    this.flush();
    const before = this.#runMilliseconds + this.fallbackMilliseconds;
    body();
    this.flush();
    return { kernelMs: this.#runMilliseconds + this.fallbackMilliseconds - before };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return true;
  }

  override dispose(): void {
    for (const { device } of this.#data.values()) device?.dispose();
    for (const { device } of this.#dropped.splice(0)) device?.dispose();
    this.cache.dispose();
    this.#downloads.dispose();
    this.#data.clear();
    this.#pending.clear();
    this.#fed.clear();
    this.#constants.clear();
    this.#recording = new Recording();
    this.#bytes = 0;
  }

  /** A complex tensor from its parts, which it takes over. */
  makeComplex(real: tf.TensorInfo, imag: tf.TensorInfo): tf.TensorInfo {
    const dataId = {};
    this.#data.set(dataId, { dtype: 'complex64', size: sizeOf(real.shape), refCount: 1, complex: { real, imag } });
    return { dataId, shape: real.shape, dtype: 'complex64' };
  }

  complexParts(dataId: object): { real: tf.TensorInfo; imag: tf.TensorInfo } {
    return this.#find(dataId).complex!;
  }

  /** Frees the memory of the GPU behind data that nobody holds. */
  #free(data: Data): void {
    if (data.retained) data.values ??= this.#downloads.read(data.device!, data.size);
    data.device?.dispose();
    data.device = undefined;
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
  }

  #find(dataId: object): Data {
    let data = this.#data.get(dataId);
    const home = data ? undefined : tf.engine().state.tensorInfo.get(dataId)?.backend;
    if (home && home !== this) {
      // It was made on another backend: tfjs calls `move`.
      tf.engine().moveData(this, dataId);
      data = this.#data.get(dataId);
    }
    if (!data) throw new Error('this tensor was disposed, or belongs to another backend or another copy of tfjs');
    return data;
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function setNumbers(data: Data, numbers: Numbers): void {
  const device = isDeviceTensor(numbers) ? numbers : undefined;
  data.device = device;
  data.values = device ? undefined : (numbers as tf.backend_util.BackendValues);
}

function byteLength({ values }: Data): number {
  return ArrayBuffer.isView(values) ? values.byteLength : 0;
}

/** tfjs hands over plain arrays of booleans and numbers now and then. */
function normalized(values: tf.backend_util.BackendValues, dtype: tf.DataType): tf.backend_util.BackendValues {
  if (dtype === 'float32' && !(values instanceof Float32Array)) return Float32Array.from(values as unknown as number[]);
  if (dtype === 'int32' && !(values instanceof Int32Array)) return Int32Array.from(values as unknown as number[]);
  if (dtype === 'bool' && !(values instanceof Uint8Array)) return Uint8Array.from(values as unknown as number[]);
  return values;
}

/** The numbers of a constant. */
export function typedView(bytes: Uint8Array, type: ElementType): tf.backend_util.BackendValues {
  const { buffer } = bytes.slice();
  if (type === 'float32') return new Float32Array(buffer);
  if (type === 'int32') return new Int32Array(buffer);
  return new Uint8Array(buffer);
}
