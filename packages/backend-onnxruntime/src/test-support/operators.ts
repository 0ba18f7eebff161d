import * as tf from '@tensorflow/tfjs';
import type { OnnxRuntimeBackend } from '../backend.js';
import { optimizeGraph } from '../optimizer/optimize-graph.js';
import type { NumberedGraph } from '../recording.js';
import { noise } from './against-cpu.js';

const block = 16;

/**
 * Operators of what `body` records for variables of these shapes, before and after the graph is rewritten; with
 * `freeze`, numbers of rank 0 are constants, as in a compiled step.
 */
export function operators(
  shapes: readonly (readonly number[])[],
  body: (...inputs: tf.Variable[]) => tf.Tensor | tf.Tensor[],
  { freeze = false }: { freeze?: boolean } = {},
): Record<'before' | 'after', (op: string) => number> & { graph: NumberedGraph } {
  const backend = tf.backend() as OnnxRuntimeBackend;
  backend.flush();
  const variables = shapes.map((shape, i) => tf.tidy(() => tf.variable(tf.tensor(noise(shape, i), shape.slice()))));
  const outputs = tf.tidy(() => body(...variables));
  const values = [outputs].flat().map((tensor) => backend.value(tensor));
  const before = backend.pendingGraph(values, ({ shape }) => freeze && shape.length === 0);
  const after = optimizeGraph(before, block);
  tf.dispose([outputs, variables]);
  const count = (graph: NumberedGraph) => (op: string) => graph.nodes.filter((node) => node.op === op).length;
  return { before: count(before), after: count(after), graph: after };
}
