import type { ModelNode } from '../onnx-model.js';
import type { ModelGraph } from './model-graph.js';
import { simplify } from './simplify.js';

type Numbers = [shape: number[], values: number[]];

/** A graph of x [2, 3, 3, 2] with nodes as `op inputs > output`, and constants. */
function graphOf(
  nodes: Partial<ModelNode>[],
  constants: Record<string, Numbers>,
  shapes: Record<string, number[]>,
): ModelGraph {
  return {
    nodes: nodes.map((node, n) => ({ attributes: {}, name: `n${n}`, ...node }) as ModelNode),
    inputs: [{ name: 'x', type: 'float32', shape: shapes.x }],
    outputs: [{ name: 'y', type: 'float32', shape: shapes.y }],
    constants: Object.entries(constants).map(([name, [shape, values]]) => ({
      name,
      type: 'float32',
      shape,
      data: new Uint8Array(Float32Array.from(values).buffer),
    })),
    values: new Map(
      Object.entries(shapes).map(([name, shape]) => [name, { name, type: 'float32', shape, later: shape }]),
    ),
  };
}

const valuesOf = (graph: ModelGraph, name: string) =>
  Array.from(new Float32Array(graph.constants.find((each) => each.name === name)!.data.slice().buffer));
const ops = (graph: ModelGraph) => graph.nodes.map(({ op }) => op);

const map = [2, 3, 3, 2];
const first = [2, 2, 3, 3];
const shapes = { x: first, c: first, t: map, m: map, y: map };
/** Convolution of single pixels, to channels-last, times f, plus s. */
const normalized: Partial<ModelNode>[] = [
  { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['c'] },
  { op: 'Transpose', inputs: ['c'], outputs: ['t'], attributes: { perm: [0, 2, 3, 1] } },
  { op: 'Mul', inputs: ['t', 'f'], outputs: ['m'] },
  { op: 'Add', inputs: ['s', 'm'], outputs: ['y'] },
];
const numbers: Record<string, Numbers> = {
  w: [
    [2, 2, 1, 1],
    [0.1, 0.2, 0.3, 0.4],
  ],
  b: [[2], [10, 20]],
  f: [[2], [3, -5]],
  s: [
    [1, 1, 1, 2],
    [7, 8],
  ],
};

describe('simplify', () => {
  it('puts a factor and a summand per channel into the convolution: (f W) x + (f b + s)', () => {
    const end: Partial<ModelNode>[] = [...normalized.slice(0, 3), { op: 'Add', inputs: ['s', 'm'], outputs: ['a'] }];
    const graph = simplify(
      graphOf([...end, { op: 'Relu', inputs: ['a'], outputs: ['y'] }], numbers, { ...shapes, a: map }),
      17,
    );
    expect(ops(graph)).toEqual(['Conv', 'Transpose', 'Relu']);
    const [, weights, bias] = graph.nodes[0].inputs;
    const product = (a: number, b: number) => Math.fround(Math.fround(a) * b);
    expect(valuesOf(graph, weights)).toEqual([product(0.1, 3), product(0.2, 3), product(0.3, -5), product(0.4, -5)]);
    expect(valuesOf(graph, bias)).toEqual([3 * 10 + 7, -5 * 20 + 8]);
  });

  it.each<[string, Partial<ModelNode>[], Record<string, Numbers>]>([
    [
      'something else reads the convolution',
      [...normalized.slice(0, 3), { op: 'Add', inputs: ['m', 't'], outputs: ['y'] }],
      numbers,
    ],
    [
      'the factor is one per column, not per channel',
      normalized,
      {
        ...numbers,
        f: [
          [3, 1],
          [1, 2, 3],
        ],
        s: [
          [3, 1],
          [1, 2, 3],
        ],
      },
    ],
    [
      'there is an activation between',
      [
        normalized[0],
        { op: 'Relu', inputs: ['c'], outputs: ['r'] },
        { ...normalized[1], inputs: ['r'] },
        ...normalized.slice(2),
      ],
      numbers,
    ],
  ])('leaves the convolution alone where %s', (_, nodes, constants) => {
    const graph = simplify(graphOf(nodes, constants, { ...shapes, r: first }), 17);
    expect(ops(graph)).toEqual(nodes.map(({ op }) => op));
    expect(valuesOf(graph, 'w')).toEqual(Array.from(Float32Array.from(numbers.w[1])));
  });

  it('computes what depends on constants alone', () => {
    const graph = simplify(
      graphOf(
        [
          { op: 'Add', inputs: ['f', 's'], outputs: ['sum'] },
          { op: 'Sqrt', inputs: ['sum'], outputs: ['root'] },
          { op: 'Div', inputs: ['x', 'root'], outputs: ['y'] },
        ],
        { f: [[2], [1, 3]], s: [[2], [3, 6]] },
        { x: [4, 2], sum: [2], root: [2], y: [4, 2] },
      ),
      17,
    );
    expect(ops(graph)).toEqual(['Div']);
    expect(graph.constants.map(({ name }) => name)).toEqual(['root']);
    expect(valuesOf(graph, 'root')).toEqual([2, 3]);
  });
});
