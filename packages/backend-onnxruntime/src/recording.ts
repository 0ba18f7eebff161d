import { createHash } from 'node:crypto';
import type { AttributeValue, ElementType } from './onnx-model.js';

/** A tensor of a graph that is being recorded. */
export interface Value {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly from:
    | { kind: 'node'; node: RecordedNode; output: number }
    /** Fed when the graph runs; `source` is whatever the backend finds its numbers by. */
    | { kind: 'input'; source: object }
    /** Part of the graph. */
    | { kind: 'constant'; data: Uint8Array };
}

export interface RecordedNode {
  op: string;
  /** undefined leaves an optional input out. */
  inputs: readonly (Value | undefined)[];
  attributes: Readonly<Record<string, AttributeValue>>;
  outputs: Value[];
  /** The tfjs kernel it was recorded for, with shapes, for errors and profiles. */
  kernel: string;
  /** What makes two nodes of the same wiring the same: op, attributes, types and shapes of the outputs. */
  signature: string;
}

/** Nodes since the last flush, in the order they were recorded, which is an order they can run in. */
export class Recording {
  nodes: RecordedNode[] = [];
  /** Set by the kernel that is being recorded. */
  kernel = '';

  /** Appends a node and returns its outputs. */
  emit(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeValue>>,
    outputs: readonly { type: ElementType; shape: readonly number[] }[],
  ): Value[] {
    const node: RecordedNode = {
      op,
      inputs,
      attributes,
      outputs: [],
      kernel: this.kernel,
      signature: `${op}${JSON.stringify(attributes)}${outputs.map(({ type, shape }) => `${type}[${shape.join()}]`).join()}`,
    };
    const values = outputs.map(({ type, shape }, output): Value => ({
      type,
      shape,
      from: { kind: 'node', node, output },
    }));
    node.outputs.push(...values);
    this.nodes.push(node);
    return values;
  }
}

/** The nodes that the wanted values depend on, in order. */
export function neededNodes(nodes: readonly RecordedNode[], wanted: readonly Value[]): RecordedNode[] {
  const needed = new Set<RecordedNode>();
  for (const { from } of wanted) if (from.kind === 'node') needed.add(from.node);
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (!needed.has(nodes[i])) continue;
    for (const input of nodes[i].inputs) if (input?.from.kind === 'node') needed.add(input.from.node);
  }
  return nodes.filter((node) => needed.has(node));
}

/** A graph with its values numbered, ready to be looked up or compiled. */
export interface NumberedGraph {
  nodes: readonly RecordedNode[];
  /** Fed values, in the order they are first used. */
  inputs: readonly Value[];
  constants: readonly { value: Value; data: Uint8Array }[];
  outputs: readonly Value[];
  names: ReadonlyMap<Value, string>;
  /** Equal for graphs that differ in fed numbers only. */
  key: string;
}

const contentKeys = new WeakMap<Uint8Array, string>();

/** Equal for equal bytes. Long ones are digested, once each: kernels use the same index of a convolution again and again. */
function contentKey(data: Uint8Array): string {
  if (data.byteLength <= 64) return Buffer.from(data).toString('base64');
  let key = contentKeys.get(data);
  if (key === undefined) {
    key = `#${createHash('sha1').update(data).digest('base64')}`;
    contentKeys.set(data, key);
  }
  return key;
}

/**
 * Numbers a graph in the order of its nodes, so that graphs of equal structure get equal keys.
 *
 * @param freeze the numbers of fed values that are to be constants instead
 */
export function numberGraph(
  nodes: readonly RecordedNode[],
  outputs: readonly Value[],
  freeze: (value: Value) => Uint8Array | undefined = () => undefined,
): NumberedGraph {
  const names = new Map<Value, string>();
  const inputs: Value[] = [];
  const constants: { value: Value; data: Uint8Array }[] = [];
  const parts: string[] = [];
  const visit = (value: Value): string => {
    const known = names.get(value);
    if (known) return known;
    const data = value.from.kind === 'constant' ? value.from.data : freeze(value);
    const name = data ? `c${constants.length}` : `i${inputs.length}`;
    if (data) constants.push({ value, data });
    else inputs.push(value);
    names.set(value, name);
    parts.push(`${name}:${value.type}[${value.shape.join()}]${data ? contentKey(data) : ''}`);
    return name;
  };
  nodes.forEach((node, n) => {
    const wires = node.inputs.map((input) => (input ? visit(input) : '')).join();
    node.outputs.forEach((output, o) => names.set(output, `n${n}_${o}`));
    parts.push(`${node.signature}(${wires})`);
  });
  parts.push(outputs.map(visit).join());
  return { nodes, inputs, constants, outputs, names, key: parts.join(';') };
}
