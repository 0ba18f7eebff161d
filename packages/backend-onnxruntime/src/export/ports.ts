import { elementTypes, type ModelNode } from '../onnx-model.js';
import type { ModelGraph } from './model-graph.js';

/** How images enter and feature maps leave. */
export interface PortForm {
  layout: 'nhwc' | 'nchw';
  pixels: 'float32' | 'uint8';
}

/** The same network with its images, [B, H, W, C] of float32, in another form: bytes are divided by 255. */
export function withPorts(graph: ModelGraph, { layout, pixels }: PortForm): ModelGraph {
  const [before, after]: [ModelNode[], ModelNode[]] = [[], []];
  const constants = [...graph.constants];
  const renamed = new Map<string, string>();
  const add = (
    to: ModelNode[],
    op: string,
    inputs: string[],
    output: string,
    attributes: ModelNode['attributes'] = {},
  ) => void to.push({ op, inputs, outputs: [output], attributes, name: `${output}/${op}` });
  const isImage = ({ shape }: { shape: readonly unknown[] }) => shape.length === 4;

  const inputs = graph.inputs.map((input) => {
    if (!isImage(input) || (layout === 'nhwc' && pixels === 'float32')) return input;
    let { name, type, shape } = input;
    if (pixels === 'uint8') {
      type = 'uint8';
      const scale = `${input.name}/255`;
      constants.push({ name: scale, type: 'float32', shape: [], data: new Uint8Array(Float32Array.of(255).buffer) });
      add(before, 'Cast', [name], `${input.name}/float`, { to: elementTypes.float32 });
      add(before, 'Div', [`${input.name}/float`, scale], `${input.name}/pixels`);
      name = `${input.name}/pixels`;
    }
    if (layout === 'nchw') {
      shape = [0, 3, 1, 2].map((axis) => shape[axis]);
      add(before, 'Transpose', [name], `${input.name}/nhwc`, { perm: [0, 2, 3, 1] });
      name = `${input.name}/nhwc`;
    }
    renamed.set(input.name, name);
    return { name: input.name, type, shape };
  });
  const outputs = graph.outputs.map((output) => {
    if (!isImage(output) || layout === 'nhwc') return output;
    renamed.set(output.name, `${output.name}/nhwc`);
    add(after, 'Transpose', [`${output.name}/nhwc`], output.name, { perm: [0, 3, 1, 2] });
    return { ...output, shape: [0, 3, 1, 2].map((axis) => output.shape[axis]) };
  });
  const inner = (name: string) => renamed.get(name) ?? name;
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(inner),
    outputs: node.outputs.map(inner),
  }));
  return { ...graph, nodes: [...before, ...nodes, ...after], inputs, outputs, constants };
}
