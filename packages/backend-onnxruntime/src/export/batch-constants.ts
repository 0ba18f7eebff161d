import { elementTypes, type ElementType, type ModelConstant, type ModelNode } from '../onnx-model.js';

/** The numbers of a constant in one recording. */
export interface ConstantNumbers {
  type: ElementType;
  shape: readonly number[];
  data: Uint8Array;
}

/** Where constants and the nodes that compute them go. */
export interface ConstantSink {
  nodes: ModelNode[];
  constants: ModelConstant[];
  /** The batch sizes of the two recordings. */
  sizes: readonly [number, number];
  /** The input whose first axis is the batch. */
  input: string;
  unique(name: string): string;
  /** Ends in an error that names the layer. */
  refuse(layer: string, what: string): never;
}

/**
 * Makes one value of two: a constant where both recordings have the same numbers, else nodes that compute from the batch size what
 * both have.
 *
 * @returns a function of the layer, the two constants, and whether a reshape reads them as its target, where −1 will do; it gives the
 *   name of the value
 */
export function constantWriter({ nodes, constants, sizes, input, unique, refuse }: ConstantSink) {
  const emit = (layer: string, op: string, inputs: string[], attributes: ModelNode['attributes'] = {}): string => {
    const name = unique(`${layer}/${op}`);
    nodes.push({ op, inputs, outputs: [name], attributes, name });
    return name;
  };
  const write = (layer: string, { type, shape, data }: ConstantNumbers, hint = 'constant'): string => {
    const name = unique(`${layer}/${hint}`);
    constants.push({ name, type, shape, data });
    return name;
  };
  const integers = (layer: string, values: readonly number[]): string =>
    write(layer, { type: 'int64', shape: [values.length], data: bytesOfIntegers(values) }, 'list');

  let batchName: string | undefined;
  /** [1], int64 */
  const batch = (): string => {
    batchName ??= emit('batch', 'Gather', [emit('batch', 'Shape', [input]), integers('batch', [0])]);
    return batchName;
  };
  /** A list of integers that is `a` at the first batch size and `b` at the second, as slope · batch + rest. */
  const listOf = (layer: string, a: readonly number[], b: readonly number[]): string => {
    const slope = a.map((each, i) => (b[i] - each) / (sizes[1] - sizes[0]));
    const rest = a.map((each, i) => each - slope[i] * sizes[0]);
    if (!slope.every(Number.isInteger)) return refuse(layer, `a size goes from ${a.join()} to ${b.join()}`);
    const product = emit(layer, 'Mul', [batch(), integers(layer, slope)]);
    return rest.every((each) => each === 0) ? product : emit(layer, 'Add', [product, integers(layer, rest)]);
  };

  return (layer: string, a: ConstantNumbers, b: ConstantNumbers, isTarget: boolean): string => {
    const sameShape = sameList(a.shape, b.shape);
    if (sameShape && Buffer.compare(a.data, b.data) === 0) return write(layer, a);
    if (!sameShape && a.shape.length === b.shape.length) {
      const once = repeated(a, b);
      if (once) return emit(layer, 'Expand', [write(layer, once), listOf(layer, a.shape, b.shape)]);
    }
    const [from, to] = [a, b].map(({ type, shape }) => `${type}[${shape.join()}]`);
    if (!sameShape) return refuse(layer, `its constants go from ${from} to ${to}`);
    if (a.type !== 'int64' && a.type !== 'int32') return refuse(layer, `the numbers of a constant differ (${from})`);
    const [before, after] = [a, b].map(integersOf);
    const moves = before.map((each, i) => each !== after[i]);
    if (isTarget && moves.filter(Boolean).length === 1) {
      return integers(
        layer,
        before.map((each, i) => (moves[i] ? -1 : each)),
      );
    }
    const list = listOf(layer, before, after);
    return a.type === 'int64' ? list : emit(layer, 'Cast', [list], { to: elementTypes.int32 });
  };
}

function sameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

export function bytesOfIntegers(values: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
}

function integersOf({ data, type }: ConstantNumbers): number[] {
  const { buffer } = data.slice();
  return type === 'int64' ? Array.from(new BigInt64Array(buffer), Number) : Array.from(new Int32Array(buffer));
}

/**
 * What two arrays of shapes that differ have in common, when both only repeat it along the axes where they differ.
 *
 * @returns an array of size 1 along those axes; undefined when they hold anything else
 */
function repeated(a: ConstantNumbers, b: ConstantNumbers): ConstantNumbers | undefined {
  const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
  const width = a.data.length / count(a.shape);
  const shape = a.shape.map((size, axis) => (size === b.shape[axis] ? size : 1));
  const data = new Uint8Array(count(shape) * width);
  /** Where element i of an array lies in `data`. */
  const home = (of: readonly number[], i: number): number => {
    let [rest, stride, at] = [i, 1, 0];
    for (let axis = of.length - 1; axis >= 0; axis--) {
      if (shape[axis] !== 1) at += (rest % of[axis]) * stride;
      rest = Math.floor(rest / of[axis]);
      stride *= shape[axis];
    }
    return at * width;
  };
  for (const fill of [true, false]) {
    for (const { data: bytes, shape: of } of [a, b]) {
      for (let i = 0; i < count(of); i++) {
        const [from, to] = [i * width, home(of, i)];
        const element = bytes.subarray(from, from + width);
        if (fill) data.set(element, to);
        else if (Buffer.compare(element, data.subarray(to, to + width)) !== 0) return undefined;
      }
    }
  }
  return { type: a.type, data, shape };
}
