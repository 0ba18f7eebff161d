import type { RecordedNode } from './recording.js';

/**
 * Names of the nodes that the webgpu provider takes and then fails to run; the cpu provider takes them when it is told to.
 *
 * @param nodes of a graph, called n0, n1, … in it
 */
export function nodesWebgpuRefuses(nodes: readonly RecordedNode[]): string[] {
  return nodes.flatMap(({ op, outputs }, n) => (op === 'MaxPool' && outputs.length > 1 ? [`n${n}`] : []));
}
