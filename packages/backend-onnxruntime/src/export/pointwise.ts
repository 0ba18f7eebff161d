import type { ModelConstant, ModelNode } from '../onnx-model.js';
import type { ModelGraph } from './model-graph.js';

const elementwise = ['Relu', 'Clip', 'Elu', 'Sigmoid', 'LeakyRelu'];

/**
 * Products that are convolutions of single pixels as Conv: the backend reshapes images to rows for them, which keeps transposes around
 * their neighbors that are convolutions too.
 */
export function pointwiseConvolutions(graph: ModelGraph): ModelGraph {
  const constants = new Map(graph.constants.map((constant) => [constant.name, constant]));
  const values = new Map(graph.values);
  const makers = new Map(
    graph.nodes.flatMap((node) => node.outputs.map((output): [string, ModelNode] => [output, node])),
  );
  const readers = new Map<string, ModelNode[]>();
  for (const node of graph.nodes)
    for (const name of node.inputs) readers.set(name, [...(readers.get(name) ?? []), node]);
  const ends = new Set(graph.outputs.map(({ name }) => name));
  const onlyReader = (name: string): ModelNode | undefined =>
    ends.has(name) || readers.get(name)?.length !== 1 ? undefined : readers.get(name)![0];
  const replaced = new Map<ModelNode, ModelNode[]>();

  for (const gemm of graph.nodes) {
    const weights = constants.get(gemm.inputs[1]);
    if (gemm.op !== 'Gemm' || !weights || gemm.attributes.transA || gemm.attributes.transB) continue;
    const images = imagesBehind(gemm.inputs[0], makers, constants, values);
    const between: ModelNode[] = [];
    let end = onlyReader(gemm.outputs[0]);
    for (; end && elementwise.includes(end.op) && end.inputs[0] !== ''; end = onlyReader(end.outputs[0]))
      between.push(end);
    const [channels, filters] = weights.shape;
    const shape = end && values.get(end.outputs[0])?.shape;
    if (end?.op !== 'Reshape' || !images || shape?.length !== 4 || shape[3] !== filters) continue;
    const [batch, height, width] = shape;
    const [laterBatch] = values.get(end.outputs[0])!.later;
    if (images.shape.join() !== [batch, height, width, channels].join()) continue;
    const name = `${gemm.name}/filter`;
    constants.set(name, { name, type: 'float32', shape: [filters, channels, 1, 1], data: transposed(weights) });
    const first = `${gemm.name}/channels_first`;
    replaced.set(gemm, [
      { op: 'Transpose', inputs: [images.source], outputs: [first], attributes: { perm: [0, 3, 1, 2] }, name: first },
      {
        ...gemm,
        op: 'Conv',
        inputs: [first, name, ...gemm.inputs.slice(2)],
        attributes: { kernel_shape: [1, 1], strides: images.strides },
        name: gemm.name.replace(/Gemm(_\d+)?$/, 'Pointwise$1'),
      },
    ]);
    for (const { outputs } of [gemm, ...between])
      values.set(outputs[0], {
        name: outputs[0],
        type: 'float32',
        shape: [batch, filters, height, width],
        later: [laterBatch, filters, height, width],
      });
    const last = [gemm, ...between].at(-1)!.outputs[0];
    replaced.set(end, [{ ...end, op: 'Transpose', inputs: [last], attributes: { perm: [0, 2, 3, 1] } }]);
  }
  const nodes = graph.nodes.flatMap((node) => replaced.get(node) ?? [node]);
  return { ...graph, nodes, constants: [...constants.values()], values };
}

/** The images [B, H, W, C] whose pixels, every one or one in a stride, are the rows of a matrix. */
function imagesBehind(
  rows: string,
  makers: ReadonlyMap<string, ModelNode>,
  constants: ReadonlyMap<string, ModelConstant>,
  values: ModelGraph['values'],
): { source: string; shape: number[]; strides: number[] } | undefined {
  const reshapeOf = (name: string): string | undefined => {
    const node = makers.get(name);
    return node?.op === 'Reshape' ? node.inputs[0] : undefined;
  };
  const source = reshapeOf(rows);
  if (source === undefined) return undefined;
  const shape = values.get(source)?.shape;
  if (shape?.length === 4) return { source, shape: [...shape], strides: [1, 1] };
  const gather = makers.get(source);
  const index = gather?.op === 'Gather' && gather.attributes.axis === 1 ? constants.get(gather.inputs[1]) : undefined;
  const images = index && reshapeOf(gather!.inputs[0]);
  const whole = images === undefined ? undefined : values.get(images)?.shape;
  if (!index || index.type !== 'int32' || whole?.length !== 4) return undefined;
  const [batch, height, width, channels] = whole;
  const taken = new Int32Array(index.data.slice().buffer);
  // Pixel (i, j) of the result is pixel (i · down, j · across): the second of a row, and the first of the second row, tell.
  const columns = taken.findIndex((at) => at >= width) === -1 ? taken.length : taken.findIndex((at) => at >= width);
  const across = columns > 1 ? taken[1] : width;
  const down = columns < taken.length ? taken[columns] / width : height;
  const isGrid = taken.every((at, k) => at === Math.floor(k / columns) * down * width + (k % columns) * across);
  if (!isGrid || columns !== Math.ceil(width / across) || taken.length / columns !== Math.ceil(height / down))
    return undefined;
  return { source: images!, shape: [batch, taken.length / columns, columns, channels], strides: [down, across] };
}

/** [K, N] → [N, K] */
function transposed({ data, shape: [rows, columns] }: ModelConstant): Uint8Array {
  const from = new Float32Array(data.slice().buffer);
  const to = Float32Array.from(from, (_, i) => from[(i % rows) * columns + Math.floor(i / rows)]);
  return new Uint8Array(to.buffer);
}
