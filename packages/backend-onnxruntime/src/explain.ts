import { messageOf, RunError } from '@retort/core';
import type { NumberedGraph } from './recording.js';

/** An error of onnxruntime, told by the tfjs kernel and the shapes behind the node that it names. */
export function explain(error: unknown, graph: NumberedGraph): Error {
  const message = messageOf(error);
  const number = /\bn(\d+)(?:_\w+)?\b/.exec(message)?.[1];
  const node = number === undefined ? undefined : graph.nodes[Number(number)];
  // onnxruntime puts the node's operator and name before what happened, and a line feed behind it.
  const told = message.replace(/^[^]*Status Message: /, '').trim();
  if (/Failed to allocate memory|bad[_ ]alloc/.test(told)) {
    const bytes = /of size (\d+)/.exec(told)?.[1];
    const asked = bytes ? `${Number(bytes).toLocaleString('en')} bytes could not be had` : told;
    const results = node?.outputs.map(({ type, shape }) => `${type}[${shape.join()}]`).join(', ');
    return new RunError(`${node ? `${node.kernel} = ${results}` : 'onnxruntime'}: out of memory: ${asked}`, {
      hints: ['a smaller batch or a smaller network needs less'],
      cause: error,
    });
  }
  return new Error(node ? `${node.kernel}: onnxruntime refuses ${node.op}: ${told}` : `onnxruntime: ${told}`, {
    cause: error,
  });
}
