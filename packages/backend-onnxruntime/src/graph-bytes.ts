import type { ElementType } from './onnx-model.js';
import type { NumberedGraph, Value } from './recording.js';

const elementBytes: Record<ElementType, number> = { float32: 4, float64: 8, int32: 4, int64: 8, uint8: 1, bool: 1 };

/** Operators whose result is their input in another shape. */
const views = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);

/**
 * Bytes that a graph needs while it runs: its constants, and the most that its values take when nodes run in order and each value
 * goes with its last use. An estimate from shapes; onnxruntime keeps about this much for as long as the graph is kept.
 */
export function graphBytes(graph: NumberedGraph): number {
  /** The value whose memory a value is in. */
  const homes = new Map<Value, Value>();
  const homeOf = (value: Value): Value => homes.get(value) ?? value;
  const lastUses = new Map<Value, number>();
  graph.nodes.forEach((node, n) => {
    for (const input of node.inputs) if (input) lastUses.set(homeOf(input), n);
    if (views.has(node.op)) homes.set(node.outputs[0], homeOf(node.inputs[0]!));
    else for (const output of node.outputs) lastUses.set(output, n);
  });
  for (const output of graph.outputs) lastUses.set(homeOf(output), graph.nodes.length);

  const ending = new Map<number, number>();
  let [held, peak] = [0, 0];
  graph.nodes.forEach((node, n) => {
    if (!views.has(node.op)) {
      for (const output of node.outputs) {
        const bytes = bytesOf(output);
        const last = lastUses.get(output)!;
        held += bytes;
        ending.set(last, (ending.get(last) ?? 0) + bytes);
      }
    }
    peak = Math.max(peak, held);
    held -= ending.get(n) ?? 0;
  });
  return peak + graph.constants.reduce((sum, { data }) => sum + data.byteLength, 0);
}

function bytesOf({ type, shape }: Value): number {
  return shape.reduce((product, size) => product * size, elementBytes[type]);
}
