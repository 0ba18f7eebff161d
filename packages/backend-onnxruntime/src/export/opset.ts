import { InputError } from '@retort/core';
import { opset as recordedOpset, type ModelNode } from '../onnx-model.js';
import { bytesOfIntegers } from './batch-constants.js';
import type { ModelGraph } from './model-graph.js';

/** Opsets that networks can be exported for. */
export const opsets = { lowest: 13, usual: recordedOpset, highest: 22 } as const;

/** Reductions whose axes became an input with opset 18; ReduceSum's are one since 13. */
const reductions = ['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd'];

/**
 * The same nodes as another opset writes them.
 *
 * @throws InputError when a node needs a later one
 */
export function forOpset(graph: ModelGraph, opset: number): ModelGraph {
  const constants = [...graph.constants];
  const nodes = graph.nodes.map((node): ModelNode => {
    const { allowzero: _, axes, ...rest } = node.attributes;
    if (node.op === 'Reshape' && opset < 14) return { ...node, attributes: rest };
    if (reductions.includes(node.op) && opset >= 18 && Array.isArray(axes)) {
      const name = `${node.name}/axes`;
      constants.push({ name, type: 'int64', shape: [axes.length], data: bytesOfIntegers(axes as number[]) });
      return { ...node, inputs: [...node.inputs, name], attributes: rest };
    }
    if (node.op === 'ScatterElements' && opset < 16 && 'reduction' in node.attributes) {
      throw new InputError(`layer "${node.name.split('/')[0]}" adds up by index, which ONNX can from opset 16 on`, {
        hints: [`choose a higher opset; usual: ${opsets.usual}`],
      });
    }
    return node;
  });
  return { ...graph, nodes, constants };
}
