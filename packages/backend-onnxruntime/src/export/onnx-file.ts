import { encodeFile, text, type ModelHeader } from '../onnx-model.js';

/** What a file holds, as far as it has to be looked at. */
export interface OnnxFile {
  nodes: { op: string; domain: string; name: string }[];
  /** The bytes of its graph. */
  graph: Uint8Array;
}

/** Reads the parts of an ONNX file (onnx.proto) that are to be checked. */
export function readOnnxFile(bytes: Uint8Array): OnnxFile {
  const graph = fields(bytes).find(({ field }) => field === 7)!.bytes;
  const read = (node: Field[], field: number) =>
    Buffer.from(node.find((each) => each.field === field)?.bytes ?? []).toString();
  const nodes = fields(graph)
    .filter(({ field }) => field === 1)
    .map(({ bytes }) => fields(bytes))
    .map((node) => ({ name: read(node, 3), op: read(node, 4), domain: read(node, 7) }));
  return { nodes, graph };
}

/** The same graph under another header. */
export function withHeader({ graph }: OnnxFile, header: ModelHeader): Uint8Array {
  const kept = fields(graph).filter(({ field }) => field !== 2);
  return encodeFile([...kept.map(({ whole }) => whole), ...text(2, header.name)], header);
}

interface Field {
  field: number;
  /** The content of one that has a length; empty for numbers. */
  bytes: Uint8Array;
  /** With its tag and length. */
  whole: Uint8Array;
}

/** The fields of a protobuf message. */
function fields(message: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = message[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < message.length) {
    const start = at;
    const tag = varint();
    let size = 0;
    if (tag % 8 === 0) varint();
    else if (tag % 8 === 1) size = 8;
    else if (tag % 8 === 5) size = 4;
    else size = varint();
    at += size;
    found.push({
      field: Math.floor(tag / 8),
      bytes: tag % 8 === 2 ? message.subarray(at - size, at) : new Uint8Array(),
      whole: message.subarray(start, at),
    });
  }
  return found;
}
