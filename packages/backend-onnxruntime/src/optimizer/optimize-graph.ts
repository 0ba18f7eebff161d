import { neededNodes, type NumberedGraph, type RecordedNode, type Value } from '../recording.js';
import { keepSmall } from './broadcasts.js';
import { gate } from './gates.js';
import { betterLayout } from './layouts.js';
import { Rewriter } from './rewriter.js';

/**
 * The same graph for onnxruntime's cpu provider, where what kernels record in the plainest way is slow: it has the inputs and
 * outputs of the given one under their names. Nothing depends on it but speed, and how results are rounded.
 *
 * @param block channels in a block of onnxruntime's own layout, 0 where it has none
 */
export function optimizeGraph(graph: NumberedGraph, block: number): NumberedGraph {
  const frozen = new Set(graph.constants.map(({ value }) => value));
  const uses = countUses(graph);
  const isUsedOnce = (value: Value) => uses.get(value) === 1;
  const numberOf = numbersOf(graph);
  const small = rewrite(graph.nodes, graph.outputs, frozen, (rewriter, node, inputs) => {
    const values = inputs as readonly Value[];
    return gate(rewriter, node, values, numberOf, isUsedOnce) ?? keepSmall(rewriter, node, values, isUsedOnce);
  });
  const laidOut = rewrite(small.nodes, small.outputs, frozen, (rewriter, node, inputs) =>
    betterLayout(rewriter, node, inputs, block),
  );
  return renumbered(graph, laidOut.nodes, laidOut.outputs);
}

/** How many nodes read a value, and whether it is an output. */
function countUses({ nodes, outputs }: NumberedGraph): Map<Value, number> {
  const uses = new Map<Value, number>();
  const count = (value: Value | undefined) => value && uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const { inputs } of nodes) inputs.forEach(count);
  outputs.forEach(count);
  return uses;
}

/** Tells the float32 number of a constant that is a single one. */
function numbersOf({ constants }: NumberedGraph): (value: Value) => number | undefined {
  const data = new Map(constants.map((constant) => [constant.value, constant.data]));
  return (value) => {
    const bytes = data.get(value);
    return value.type === 'float32' && bytes?.byteLength === 4
      ? new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)
      : undefined;
  };
}

type Rule = (rewriter: Rewriter, node: RecordedNode, inputs: readonly (Value | undefined)[]) => Value | undefined;

function rewrite(
  nodes: readonly RecordedNode[],
  outputs: readonly Value[],
  frozen: ReadonlySet<Value>,
  rule: Rule,
): { nodes: readonly RecordedNode[]; outputs: readonly Value[] } {
  const rewriter = new Rewriter(frozen);
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => replaced.get(value) ?? value;
  for (const node of nodes) {
    rewriter.kernel = node.kernel;
    const inputs = node.inputs.map((input) => input && current(input));
    const result = rule(rewriter, node, inputs);
    const values = result ? [result] : rewriter.emitAll(node.op, inputs, node.attributes, node.outputs);
    node.outputs.forEach((output, o) => replaced.set(output, values[o]));
  }
  // Every output is a node's own: two that became one, and one that became an input, are copies.
  const taken = new Set<Value>();
  const results = outputs.map((output) => {
    const value = current(output);
    const own = value.from.kind === 'node' && !taken.has(value);
    const result = own ? value : rewriter.copy(value);
    taken.add(result);
    return result;
  });
  return { nodes: neededNodes(rewriter.nodes, results), outputs: results };
}

/** A graph of other nodes with the names of a given one for its inputs and outputs. */
function renumbered(graph: NumberedGraph, nodes: readonly RecordedNode[], outputs: readonly Value[]): NumberedGraph {
  const names = new Map<Value, string>();
  for (const value of graph.inputs) names.set(value, graph.names.get(value)!);
  outputs.forEach((output, i) => names.set(output, graph.names.get(graph.outputs[i])!));
  const given = new Map(graph.constants.map(({ value, data }) => [value, data]));
  const constants: { value: Value; data: Uint8Array }[] = [];
  nodes.forEach((node, n) => {
    for (const input of node.inputs) {
      if (!input || names.has(input)) continue;
      const data = given.get(input) ?? (input.from as { data: Uint8Array }).data;
      names.set(input, `c${constants.length}`);
      constants.push({ value: input, data });
    }
    node.outputs.forEach((output, o) => {
      if (!names.has(output)) names.set(output, `v${n}_${o}`);
    });
  });
  return { ...graph, nodes, constants, outputs, names };
}
