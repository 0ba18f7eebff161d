import { InputError } from '@retort/core';
import type { ModelConstant, ModelNode, ModelPort, ModelValue } from '../onnx-model.js';
import type { RecordedNode, Value } from '../recording.js';
import { constantWriter } from './batch-constants.js';
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
      { hints: ['fix the batch size: --batch 1, or { batch: 1 } in code'] },
    );
  };
  const writeConstant = constantWriter({
    nodes: graph.nodes,
    constants: graph.constants,
    sizes: [first.batch, second.batch],
    input: names.inputs[0],
    unique,
    refuse,
  });

  /** The name of a value that a node reads. */
  const read = (node: RecordedNode, layer: string, position: number, a: Value, b: Value): string => {
    const computed = valueNames.get(a);
    if (computed !== undefined) return computed;
    // By the pair: a list may be that of another place at one batch size and not at the other.
    const isTarget = node.op === 'Reshape' && position === 1;
    const known = constantNames[isTarget ? 'target' : 'other'];
    const partners = known.get(a) ?? new Map<Value, string>();
    known.set(a, partners);
    const numbers = (value: Value, data: Uint8Array) => ({ type: value.type, shape: value.shape, data });
    const [once, later] = [numbers(a, first.bytesOf(a)!), numbers(b, second.bytesOf(b)!)];
    const name = partners.get(b) ?? writeConstant(layer, once, later, isTarget);
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
