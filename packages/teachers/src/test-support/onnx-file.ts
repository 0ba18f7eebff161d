/**
 * Writes small ONNX files: the part of the protobuf format (onnx.proto) that convolutions and dense layers need, so that
 * tests carry no binary files.
 */

type Attribute = number | number[];

interface OnnxNode {
  op: string;
  inputs: string[];
  outputs: string[];
  attributes?: Record<string, Attribute>;
}

interface OnnxGraph {
  /** Sizes that are free are names. */
  inputs: Record<string, (number | string)[]>;
  /** Of inputs; float32 where none is given. */
  types?: Record<string, 'int32' | 'int64'>;
  outputs: Record<string, (number | string)[]>;
  weights: Record<string, { shape: number[]; data: number[] }>;
  nodes: OnnxNode[];
}

/** The bytes of a float32 model, opset 13. */
export function onnxFile({ inputs, types = {}, outputs, weights, nodes }: OnnxGraph): Buffer {
  const graph = Buffer.concat([
    ...nodes.map((node) => field(1, nodeProto(node))),
    field(2, 'graph'),
    ...Object.entries(weights).map(([name, weight]) => field(5, tensorProto(name, weight))),
    ...Object.entries(inputs).map(([name, shape]) => field(11, valueInfo(name, shape, types[name]))),
    ...Object.entries(outputs).map(([name, shape]) => field(12, valueInfo(name, shape))),
  ]);
  const opset = Buffer.concat([field(1, ''), integer(2, 13)]);
  return Buffer.concat([integer(1, 8), field(7, graph), field(8, opset)]);
}

function nodeProto({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, op),
    ...Object.entries(attributes).map(([name, value]) =>
      field(
        5,
        Array.isArray(value)
          ? Buffer.concat([field(1, name), ...value.map((each) => integer(8, each)), integer(20, 7)])
          : Buffer.concat([field(1, name), integer(3, value), integer(20, 2)]),
      ),
    ),
  ]);
}

function tensorProto(name: string, { shape, data }: { shape: number[]; data: number[] }): Buffer {
  const bytes = Buffer.from(Float32Array.from(data).buffer);
  return Buffer.concat([...shape.map((size) => integer(1, size)), integer(2, 1), field(8, name), field(9, bytes)]);
}

function valueInfo(name: string, shape: (number | string)[], type?: 'int32' | 'int64'): Buffer {
  const sizes = shape.map((size) => field(1, typeof size === 'number' ? integer(1, size) : field(2, size)));
  const code = type === 'int32' ? 6 : type === 'int64' ? 7 : 1;
  const tensor = Buffer.concat([integer(1, code), field(2, Buffer.concat(sizes))]);
  return Buffer.concat([field(1, name), field(2, field(1, tensor))]);
}

function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function integer(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}
