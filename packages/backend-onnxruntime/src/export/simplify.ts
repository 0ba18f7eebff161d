import { sha256 } from '@retort/core';
import type { Tensor } from 'onnxruntime-common';
import { createSession } from '../native-session.js';
import { encodeModel, type ModelConstant, type ModelNode } from '../onnx-model.js';
import type { ModelGraph } from './model-graph.js';
import { pointwiseConvolutions } from './pointwise.js';

/**
 * The same network with fewer nodes: what depends on constants alone is computed, products of pixels are convolutions, reshapes of reshapes are one, and factors and
 * summands per channel (batch normalization at inference) become part of the convolution or product in front of them.
 *
 * @param opset that the nodes are written for
 */
export function simplify(graph: ModelGraph, opset: number): ModelGraph {
  const computed = pointwiseConvolutions(foldConstants(graph, opset));
  // Reshapes that nobody needs any more would count as readers.
  return pruned(foldChannels(pruned(joinReshapes(computed))));
}

/** Computes what depends on constants alone. */
function foldConstants(graph: ModelGraph, opset: number): ModelGraph {
  const fixed = new Set(graph.constants.map(({ name }) => name));
  const [early, late]: [ModelNode[], ModelNode[]] = [[], []];
  for (const node of graph.nodes) {
    // An output of the network stays the output of a node.
    const isFixed =
      node.inputs.every((name) => name === '' || fixed.has(name)) &&
      node.outputs.every((name) => graph.outputs.every((output) => output.name !== name));
    (isFixed ? early : late).push(node);
    if (isFixed) for (const output of node.outputs) fixed.add(output);
  }
  const made = new Set(early.flatMap(({ outputs }) => outputs));
  const wanted = [...new Set(late.flatMap(({ inputs }) => inputs))].filter((name) => made.has(name));
  if (wanted.length === 0) return graph;
  const outputs = wanted.map((name) => graph.values.get(name)!);
  const model = encodeModel(early, [], outputs, graph.constants, { opset, name: 'constants' });
  const session = createSession(model, { threads: 1, graphOptimizationLevel: 'disabled', executionProviders: ['cpu'] });
  const results = session.run({}, Object.fromEntries(wanted.map((name) => [name, null])));
  session.dispose();
  const constants = outputs.map((output): ModelConstant => {
    const { buffer, byteOffset, byteLength } = (results[output.name] as Tensor).data as Float32Array;
    return { ...output, data: new Uint8Array(buffer, byteOffset, byteLength).slice() };
  });
  return { ...graph, nodes: late, constants: [...graph.constants, ...constants] };
}

/** A reshape of a reshape reads what the first one reads; one that ends in the shape it began with goes. */
function joinReshapes(graph: ModelGraph): ModelGraph {
  const ends = new Set(graph.outputs.map(({ name }) => name));
  const shapes = (name: string) => {
    const value = graph.values.get(name);
    return value && `${value.shape.join()};${value.later.join()}`;
  };
  const makers = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const sources = new Map<string, string>();
  const instead = new Map<string, string>();
  const renamed = new Map<string, string>();
  const nodes = graph.nodes.flatMap((node) => {
    const inputs = node.inputs.map((name) => instead.get(name) ?? name);
    if (node.op !== 'Reshape') return [{ ...node, inputs }];
    const [output] = node.outputs;
    const source = sources.get(inputs[0]) ?? inputs[0];
    sources.set(output, source);
    const changes = shapes(source) === undefined || shapes(output) !== shapes(source);
    const isTaken = ends.has(source) || renamed.has(source) || !makers.has(source);
    if (changes || (ends.has(output) && isTaken)) {
      return [{ ...node, inputs: [source, inputs[1]] }];
    }
    // The name of an output stays.
    if (ends.has(output)) renamed.set(source, output);
    else instead.set(output, source);
    return [];
  });
  const name = (each: string) => renamed.get(each) ?? each;
  return {
    ...graph,
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(name), outputs: node.outputs.map(name) })),
  };
}

/**
 * Conv and Gemm with a factor or a summand per channel behind them, computed in float64: f · (W x + b) + s = (f W) x + (f b + s).
 * Between the two may lie what leaves channels channels.
 */
function foldChannels(graph: ModelGraph): ModelGraph {
  const constants = new Map(graph.constants.map((constant) => [constant.name, constant]));
  const ends = new Set(graph.outputs.map(({ name }) => name));
  const readers = new Map<string, number>();
  for (const name of graph.nodes.flatMap(({ inputs }) => inputs)) readers.set(name, (readers.get(name) ?? 0) + 1);
  const makers = new Map<string, ModelNode>();
  /** What stands for a value whose node is gone. */
  const instead = new Map<string, string>();
  const nodes: ModelNode[] = [];
  const shapeOf = (name: string) => graph.values.get(name)?.shape.join();
  let count = 0;

  /** The convolution or product behind a value that nobody else reads, and the axis its channels have in that value. */
  const linearBehind = (name: string, channelAxis: 'first' | 'last'): ModelNode | undefined => {
    const node = makers.get(name);
    if (!node || readers.get(name) !== 1 || ends.has(name)) return undefined;
    if (node.op === 'Conv') return channelAxis === 'first' ? node : undefined;
    if (node.op === 'Gemm') return channelAxis === 'last' && !node.attributes.transA ? node : undefined;
    if (node.op === 'Transpose' && channelAxis === 'last' && String(node.attributes.perm) === '0,2,3,1')
      return linearBehind(node.inputs[0], 'first');
    const [from, to] = [node.inputs[0], name].map((each) => graph.values.get(each)?.shape.at(-1));
    if (node.op === 'Reshape' && channelAxis === 'last' && from !== undefined && from === to)
      return linearBehind(node.inputs[0], 'last');
    return undefined;
  };

  for (const original of graph.nodes) {
    const node = { ...original, inputs: original.inputs.map((name) => instead.get(name) ?? name) };
    const [value, numbers] = perChannel(node, constants);
    const isBroadcast = value === undefined || shapeOf(value) !== shapeOf(node.outputs[0]);
    const linear = isBroadcast || ends.has(node.outputs[0]) ? undefined : linearBehind(value, 'last');
    const weights = linear && constants.get(linear.inputs[1]);
    const bias = linear?.inputs[2] ? constants.get(linear.inputs[2]) : undefined;
    if (linear && weights && (bias || !linear.inputs[2]) && numbers) {
      const axis = linear.op === 'Conv' || linear.attributes.transB ? 0 : 1;
      const channels = weights.shape[axis];
      const each = Array.from({ length: channels }, (_, c) => numbers[numbers.length === 1 ? 0 : c]);
      if ((numbers.length === 1 || numbers.length === channels) && (!bias || bias.shape.join() === String(channels))) {
        count++;
        const factors = each.map((number) => (node.op === 'Mul' ? number : 1));
        const summands = each.map((number) => (node.op === 'Mul' ? 0 : node.op === 'Sub' ? -number : number));
        const before = bias ? floats(bias) : new Float32Array(channels);
        const inner = axis === 0 ? weights.data.length / 4 / channels : 1;
        const scaled = floats(weights).map((weight, i) => weight * factors[Math.floor(i / inner) % channels]);
        const shifted = before.map((number, c) => factors[c] * number + summands[c]);
        const [w, b] = [`${linear.name}/weights_${count}`, `${linear.name}/bias_${count}`];
        constants.set(w, { ...weights, name: w, data: new Uint8Array(scaled.buffer) });
        constants.set(b, { name: b, type: 'float32', shape: [channels], data: new Uint8Array(shifted.buffer) });
        linear.inputs = [linear.inputs[0], w, b];
        instead.set(node.outputs[0], value!);
        // Who read the result now reads the value.
        readers.set(value!, readers.get(node.outputs[0]) ?? 0);
        continue;
      }
    }
    nodes.push(node);
    for (const output of node.outputs) makers.set(output, node);
  }
  return { ...graph, nodes, constants: [...constants.values()] };
}

/** The value that a node multiplies by, adds or subtracts one number per last-axis channel, and the numbers. */
function perChannel(
  { op, inputs }: ModelNode,
  constants: ReadonlyMap<string, ModelConstant>,
): [value?: string, numbers?: Float32Array] {
  if (op !== 'Mul' && op !== 'Add' && op !== 'Sub') return [];
  for (const side of op === 'Sub' ? [1] : [1, 0]) {
    const constant = constants.get(inputs[side]);
    if (constant?.type !== 'float32' || constants.has(inputs[1 - side])) continue;
    if (constant.shape.slice(0, -1).every((size) => size === 1)) return [inputs[1 - side], floats(constant)];
  }
  return [];
}

/** A copy. */
function floats({ data }: ModelConstant): Float32Array {
  return new Float32Array(data.slice().buffer);
}

/** Without nodes and constants that nothing reads, and equal constants once. */
function pruned(graph: ModelGraph): ModelGraph {
  const used = new Set(graph.outputs.map(({ name }) => name));
  const nodes: ModelNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((name) => used.has(name))) continue;
    nodes.unshift(node);
    for (const name of node.inputs) used.add(name);
  }
  const kept = new Map<string, ModelConstant>();
  const names = new Map<string, string>();
  for (const constant of graph.constants) {
    if (!used.has(constant.name)) continue;
    const content = `${constant.type}[${constant.shape.join()}]${sha256(constant.data)}`;
    const same = kept.get(content) ?? constant;
    kept.set(content, same);
    names.set(constant.name, same.name);
  }
  return {
    ...graph,
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map((name) => names.get(name) ?? name) })),
    constants: [...kept.values()],
  };
}
