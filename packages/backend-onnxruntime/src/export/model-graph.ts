import { InputError } from '@retort/core';
import {
  elementTypes,
  type ElementType,
  type ModelConstant,
  type ModelNode,
  type ModelPort,
  type ModelValue,
} from '../onnx-model.js';
import type { RecordedNode, Value } from '../recording.js';
import type { RecordedModel } from './record-model.js';

/** A network as an ONNX graph. */
export interface ModelGraph {
  nodes: ModelNode[];
  inputs: ModelPort[];
  outputs: ModelPort[];
  constants: ModelConstant[];
  /** What is fed and what the recorded nodes give, by name, with the shapes in both recordings. */
  values: Map<string, RecordedValue>;
}

export interface RecordedValue extends ModelValue {
  /** At the second batch size. */
  later: readonly number[];
}

/** The name of the free batch axis. */
export const batchAxis = 'batch';

/**
 * One graph for every batch size from recordings at two of them: the same nodes, where whatever depends on the batch is computed
 * from the shape of the first input. Lists of integers are taken to be a + b · batch, and arrays of a size that follows the batch
 * to repeat themselves along it; a recording and itself give a graph for its batch size alone.
 *
 * @param names of the inputs and of the outputs
 * @throws InputError when the recordings differ in anything else
 */
export function modelGraph(
  first: RecordedModel,
  second: RecordedModel,
  names: { inputs: readonly string[]; outputs: readonly string[] },
): ModelGraph {
  const graph: ModelGraph = { nodes: [], inputs: [], outputs: [], constants: [], values: new Map() };
  const valueNames = new Map<Value, string>();
  /** By the two values, and by whether a reshape reads them as its target, where −1 will do. */
  const constantNames = { target: new Map<Value, Map<Value, string>>(), other: new Map<Value, Map<Value, string>>() };
  const unique = uniqueNames([...names.inputs, ...names.outputs]);

  const refuse = (layer: string, what: string): never => {
    throw new InputError(
      `layer "${layer}" works differently at batch sizes ${first.batch} and ${second.batch}: ${what}`,
      {
        hints: ['fix the batch size: --batch 1, or { batch: 1 } in code'],
      },
    );
  };
  const emit = (layer: string, op: string, inputs: string[], attributes: ModelNode['attributes'] = {}): string => {
    const name = unique(`${layer}/${op}`);
    graph.nodes.push({ op, inputs, outputs: [name], attributes, name });
    return name;
  };
  const constant = (
    layer: string,
    data: Uint8Array,
    type: ElementType,
    shape: readonly number[],
    hint = 'constant',
  ): string => {
    const name = unique(`${layer}/${hint}`);
    graph.constants.push({ name, type, shape, data });
    return name;
  };
  const integers = (layer: string, values: readonly number[]): string =>
    constant(layer, bytesOfIntegers(values), 'int64', [values.length], 'list');

  let batchName: string | undefined;
  /** [1], int64 */
  const batch = (): string => {
    batchName ??= emit('batch', 'Gather', [emit('batch', 'Shape', [names.inputs[0]]), integers('batch', [0])]);
    return batchName;
  };
  /** A list of integers that is `a` at the first batch size and `b` at the second. */
  const listOf = (layer: string, a: readonly number[], b: readonly number[]): string => {
    const slope = a.map((each, i) => (b[i] - each) / (second.batch - first.batch));
    const rest = a.map((each, i) => each - slope[i] * first.batch);
    if (!slope.every(Number.isInteger)) refuse(layer, `a size goes from ${a.join()} to ${b.join()}`);
    const product = emit(layer, 'Mul', [batch(), integers(layer, slope)]);
    return rest.every((each) => each === 0) ? product : emit(layer, 'Add', [product, integers(layer, rest)]);
  };

  const combine = (node: RecordedNode, layer: string, position: number, a: Value, b: Value): string => {
    const [data, other] = [first.bytesOf(a)!, second.bytesOf(b)!];
    const sameShape = sameList(a.shape, b.shape);
    if (sameShape && Buffer.compare(data, other) === 0) return constant(layer, data, a.type, a.shape);
    if (!sameShape && a.shape.length === b.shape.length) {
      const once = repeated(data, a.shape, other, b.shape);
      if (!once) refuse(layer, `${node.op} uses ${a.type}[${a.shape.join()}] and ${b.type}[${b.shape.join()}]`);
      const small = constant(layer, once!.data, a.type, once!.shape);
      return emit(layer, 'Expand', [small, listOf(layer, a.shape, b.shape)]);
    }
    if (!sameShape || (a.type !== 'int64' && a.type !== 'int32')) {
      refuse(layer, `${node.op} uses other numbers (${a.type}[${a.shape.join()}])`);
    }
    const [before, after] = [integersOf(data, a.type), integersOf(other, a.type)];
    const moving = before.filter((each, i) => each !== after[i]).length;
    if (isTarget(node, position) && moving === 1) {
      return integers(
        layer,
        before.map((each, i) => (each === after[i] ? each : -1)),
      );
    }
    const list = listOf(layer, before, after);
    return a.type === 'int64' ? list : emit(layer, 'Cast', [list], { to: elementTypes.int32 });
  };

  /** The name of a value that a node reads. */
  const read = (node: RecordedNode, layer: string, position: number, a: Value, b: Value): string => {
    const computed = valueNames.get(a);
    if (computed !== undefined) return computed;
    // By the pair: a list may be that of another place at one batch size and not at the other.
    const known = constantNames[isTarget(node, position) ? 'target' : 'other'];
    const partners = known.get(a) ?? new Map<Value, string>();
    known.set(a, partners);
    const name = partners.get(b) ?? combine(node, layer, position, a, b);
    partners.set(b, name);
    return name;
  };

  const places = new Map<Value, string>();
  const place = (recording: RecordedModel, value: Value): string =>
    value.from.kind === 'node'
      ? `${places.get(value)}`
      : recording.bytesOf(value)
        ? 'constant'
        : `input ${recording.inputs.indexOf(value)}`;
  const finalNames = new Map<Value, string>();
  first.outputs.forEach((output, i) => {
    if (output.from.kind === 'node' && !finalNames.has(output)) finalNames.set(output, names.outputs[i]);
  });
  first.inputs.forEach((input, i) => {
    const [name, { type, shape }, later] = [names.inputs[i], input, second.inputs[i].shape];
    valueNames.set(input, name);
    graph.values.set(name, { name, type, shape, later });
    graph.inputs.push({
      name: names.inputs[i],
      type: input.type,
      shape: freeShape(first, second, input, second.inputs[i]),
    });
  });
  const longest = Math.max(first.nodes.length, second.nodes.length);
  for (let n = 0; n < longest; n++) {
    const [node, other] = [first.nodes[n], second.nodes[n]];
    const layer = first.layerOf.get(node ?? first.nodes[n - 1]) ?? 'network';
    const same =
      node?.op === other?.op &&
      JSON.stringify(node.attributes) === JSON.stringify(other.attributes) &&
      node.inputs.length === other.inputs.length &&
      node.outputs.length === other.outputs.length;
    if (!same) refuse(layer, `${node?.op ?? 'nothing'} at one, ${other?.op ?? 'nothing'} at the other`);
    const inputs = node.inputs.map((input, i) => {
      const partner = other.inputs[i];
      if (!input || !partner) return '';
      if (place(first, input) !== place(second, partner)) refuse(layer, `${node.op} reads something else`);
      return read(node, layer, i, input, partner);
    });
    const name = unique(`${layer}/${node.op}`);
    const outputs = node.outputs.map((output, o) => {
      places.set(output, `${n} ${o}`);
      places.set(other.outputs[o], `${n} ${o}`);
      const outputName = finalNames.get(output) ?? (o === 0 ? name : `${name}:${o}`);
      valueNames.set(output, outputName);
      const { type, shape } = output;
      graph.values.set(outputName, { name: outputName, type, shape, later: other.outputs[o].shape });
      return outputName;
    });
    graph.nodes.push({ op: node.op, inputs, outputs, attributes: node.attributes, name });
  }
  first.outputs.forEach((output, i) => {
    const [name, partner] = [names.outputs[i], second.outputs[i]];
    graph.outputs.push({ name, type: output.type, shape: freeShape(first, second, output, partner) });
    if (finalNames.get(output) === name) return;
    const end = { op: 'Identity', inputs: [output], outputs: [], attributes: {}, kernel: '', signature: '' };
    graph.nodes.push({
      op: 'Identity',
      inputs: [read(end, name, 0, output, partner)],
      outputs: [name],
      attributes: {},
      name: unique(`${name}/Identity`),
    });
  });
  return graph;
}

function isTarget({ op }: RecordedNode, position: number): boolean {
  return op === 'Reshape' && position === 1;
}

function freeShape(first: RecordedModel, second: RecordedModel, a: Value, b: Value): (number | string)[] {
  return a.shape.map((size, axis) => {
    if (size === b.shape[axis]) return size;
    return size === first.batch && b.shape[axis] === second.batch ? batchAxis : `${batchAxis}_axis${axis}`;
  });
}

/** Names not taken yet: NAME, NAME_2, NAME_3 … */
function uniqueNames(taken: readonly string[]): (name: string) => string {
  const uses = new Map(taken.map((name) => [name, 1]));
  return (name) => {
    for (;;) {
      const use = (uses.get(name) ?? 0) + 1;
      uses.set(name, use);
      const made = use === 1 ? name : `${name}_${use}`;
      if (use === 1 || !uses.has(made)) return made;
    }
  };
}

function sameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

export function bytesOfIntegers(values: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
}

function integersOf(data: Uint8Array, type: 'int64' | 'int32' | ElementType): number[] {
  const { buffer } = data.slice();
  return type === 'int64' ? Array.from(new BigInt64Array(buffer), Number) : Array.from(new Int32Array(buffer));
}

/**
 * What two arrays of shapes that differ have in common, when both only repeat it along the axes where they differ.
 *
 * @returns an array of size 1 along those axes; undefined when they hold anything else
 */
function repeated(
  a: Uint8Array,
  aShape: readonly number[],
  b: Uint8Array,
  bShape: readonly number[],
): { data: Uint8Array; shape: number[] } | undefined {
  const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
  const width = a.length / count(aShape);
  const shape = aShape.map((size, axis) => (size === bShape[axis] ? size : 1));
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
    for (const [bytes, of] of [
      [a, aShape],
      [b, bShape],
    ] as const) {
      for (let i = 0; i < count(of); i++) {
        const [from, to] = [i * width, home(of, i)];
        if (fill) data.set(bytes.subarray(from, from + width), to);
        else if (Buffer.compare(bytes.subarray(from, from + width), data.subarray(to, to + width)) !== 0)
          return undefined;
      }
    }
  }
  return { data, shape };
}
