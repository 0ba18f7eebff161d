/**
 * Writes ONNX models: the part of the protobuf format (onnx.proto) that recorded graphs need. Values are bytes in
 * chunks, joined once at the end.
 */

/** ONNX element types (TensorProto.DataType); float64 is for steps inside a kernel, uint8 for pixels of exported networks. */
export const elementTypes = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float64: 11 } as const;
export type ElementType = keyof typeof elementTypes;

export type AttributeValue = number | string | readonly number[] | { float: number } | { floats: readonly number[] };

export interface ModelNode {
  /** Its name; operators that are onnxruntime's own and not ONNX's with their domain before it, as in `com.microsoft.Gelu`. */
  op: string;
  /** '' leaves an optional input out. */
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Readonly<Record<string, AttributeValue>>;
  /** Shown by onnxruntime in errors and profiles. */
  name: string;
}

export interface ModelValue {
  name: string;
  type: ElementType;
  shape: readonly number[];
}

/** An input or output of a model; sizes that are free are names. */
export interface ModelPort extends Omit<ModelValue, 'shape'> {
  shape: readonly (number | string)[];
}

export interface ModelConstant extends ModelValue {
  data: Uint8Array;
}

/** What a file says about itself. */
export interface ModelHeader {
  opset: number;
  name: string;
  producer?: { name: string; version: string };
  documentation?: string;
  metadata?: Readonly<Record<string, string>>;
}

/** Opset the graphs are written for. */
export const opset = 17;

/** The bytes of a model. */
export function encodeModel(
  nodes: readonly ModelNode[],
  inputs: readonly ModelPort[],
  outputs: readonly ModelPort[],
  constants: readonly ModelConstant[],
  header: ModelHeader = { opset, name: 'recorded' },
): Uint8Array {
  const graph = [
    ...nodes.flatMap((node) => message(1, encodeNode(node))),
    ...text(2, header.name),
    ...constants.flatMap((constant) => message(5, encodeConstant(constant))),
    ...inputs.flatMap((input) => message(11, encodeValue(input))),
    ...outputs.flatMap((output) => message(12, encodeValue(output))),
  ];
  const domains = nodes.map(({ op }) => splitName(op).domain).filter((domain) => domain !== '');
  return encodeFile(graph, header, [...new Set(domains)]);
}

function splitName(op: string): { domain: string; type: string } {
  const end = op.lastIndexOf('.');
  return { domain: op.slice(0, Math.max(0, end)), type: op.slice(end + 1) };
}

/** The bytes of a model around those of its graph. */
export function encodeFile(
  graph: Chunks,
  { opset, producer, documentation, metadata = {} }: ModelHeader,
  domains: readonly string[] = [],
): Uint8Array {
  return Buffer.concat([
    ...integer(1, irVersion(opset)),
    ...(producer ? [...text(2, producer.name), ...text(3, producer.version)] : []),
    ...(documentation === undefined ? [] : text(6, documentation)),
    ...message(7, graph),
    ...message(8, [...text(1, ''), ...integer(2, opset)]),
    ...domains.flatMap((domain) => message(8, [...text(1, domain), ...integer(2, 1)])),
    ...Object.entries(metadata).flatMap(([key, value]) => message(14, [...text(1, key), ...text(2, value)])),
  ]);
}

/** The file format that came with an opset: older software reads older files. */
function irVersion(opset: number): number {
  const firstOpsets = [15, 19, 21, 23];
  return 7 + firstOpsets.filter((first) => opset >= first).length;
}

export type Chunks = Uint8Array[];

function encodeNode({ op, inputs, outputs, attributes, name }: ModelNode): Chunks {
  const { domain, type } = splitName(op);
  return [
    ...inputs.flatMap((input) => text(1, input)),
    ...outputs.flatMap((output) => text(2, output)),
    ...text(3, name),
    ...text(4, type),
    ...(domain === '' ? [] : text(7, domain)),
    ...Object.entries(attributes).flatMap(([key, value]) => message(5, [...text(1, key), ...encodeAttribute(value)])),
  ];
}

/** Numbers are integers unless written `{ float }`. */
function encodeAttribute(value: AttributeValue): Chunks {
  if (typeof value === 'number') return [...integer(3, value), ...integer(20, 2)];
  if (typeof value === 'string') return [...text(4, value), ...integer(20, 3)];
  if ('float' in value) return [...float(2, value.float), ...integer(20, 1)];
  if ('floats' in value) return [...value.floats.flatMap((each) => float(7, each)), ...integer(20, 6)];
  return [...value.flatMap((each) => integer(8, each)), ...integer(20, 7)];
}

function encodeConstant({ name, type, shape, data }: ModelConstant): Chunks {
  return [
    ...shape.flatMap((size) => integer(1, size)),
    ...integer(2, elementTypes[type]),
    ...text(8, name),
    ...bytes(9, data),
  ];
}

function encodeValue({ name, type, shape }: ModelPort): Chunks {
  const dimensions = shape.flatMap((size) => message(1, typeof size === 'number' ? integer(1, size) : text(2, size)));
  const tensor = [...integer(1, elementTypes[type]), ...message(2, dimensions)];
  return [...text(1, name), ...message(2, message(1, tensor))];
}

function message(field: number, content: Chunks): Chunks {
  const length = content.reduce((sum, chunk) => sum + chunk.length, 0);
  return [varint(field * 8 + 2), varint(length), ...content];
}

function bytes(field: number, content: Uint8Array): Chunks {
  return [varint(field * 8 + 2), varint(content.length), content];
}

export function text(field: number, content: string): Chunks {
  return bytes(field, Buffer.from(content));
}

function integer(field: number, value: number): Chunks {
  return [varint(field * 8), varint(value)];
}

function float(field: number, value: number): Chunks {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return [varint(field * 8 + 5), content];
}

/** Base-128, least significant first; negative numbers as 64-bit two's complement. */
function varint(value: number): Uint8Array {
  if (value < 0) {
    let rest = BigInt.asUintN(64, BigInt(value));
    const out: number[] = [];
    for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
    return Uint8Array.from([...out, Number(rest)]);
  }
  const out: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return Uint8Array.from([...out, value]);
}
