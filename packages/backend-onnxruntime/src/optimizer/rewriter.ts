import type { AttributeValue, ElementType } from '../onnx-model.js';
import { Recording, type RecordedNode, type Value } from '../recording.js';

type Attributes = Readonly<Record<string, AttributeValue>>;

/** A graph under construction, in which equal nodes are one. */
export class Rewriter {
  readonly #recording = new Recording();
  readonly #known = new Map<string, readonly Value[]>();
  readonly #ids = new Map<Value, number>();
  readonly #constants = new Map<string, Value>();
  readonly #frozen: ReadonlySet<Value>;

  /** @param frozen fed values whose numbers do not change while the graph exists */
  constructor(frozen: ReadonlySet<Value>) {
    this.#frozen = frozen;
  }

  get nodes(): readonly RecordedNode[] {
    return this.#recording.nodes;
  }

  /** The tfjs kernel that the next nodes are for. */
  set kernel(kernel: string) {
    this.#recording.kernel = kernel;
  }

  /** Whether onnxruntime can compute a value when it compiles. */
  isFoldable(value: Value): boolean {
    if (value.from.kind !== 'node') return value.from.kind === 'constant' || this.#frozen.has(value);
    return value.from.node.inputs.every((input) => !input || this.isFoldable(input));
  }

  /** The same node as any other, with outputs of these types and shapes. */
  emitAll(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    outputs: readonly Pick<Value, 'type' | 'shape'>[],
  ): readonly Value[] {
    const types = outputs.map(({ type, shape }) => `${type}[${shape.join()}]`).join();
    const key = `${op}${JSON.stringify(attributes)}${types}(${inputs.map((input) => (input ? this.id(input) : '')).join()})`;
    let values = this.#known.get(key);
    if (!values) {
      values = this.#recording.emit(op, inputs, attributes, outputs);
      this.#known.set(key, values);
    }
    return values;
  }

  emit(
    op: string,
    inputs: readonly (Value | undefined)[],
    shape: readonly number[],
    attributes: Attributes = {},
  ): Value {
    return this.emitAll(op, inputs, attributes, [{ type: inputs[0]!.type, shape }])[0];
  }

  /** The same numbers as a value of its own. */
  copy(value: Value): Value {
    return this.#recording.emit('Identity', [value], {}, [value])[0];
  }

  /** A reshape of a reshape is one, and of the same shape none. */
  reshape(value: Value, shape: readonly number[]): Value {
    const source = unshaped(value);
    if (sameShape(source.shape, shape)) return source;
    return this.emit('Reshape', [source, this.integers(shape)], shape, { allowzero: 1 });
  }

  /** A transpose that undoes another is none. */
  transpose(value: Value, perm: readonly number[]): Value {
    const before = producer(value, 'Transpose');
    const inner = before?.attributes.perm as readonly number[] | undefined;
    if (inner && perm.every((axis, i) => inner[axis] === i)) return before!.inputs[0]!;
    return this.emit(
      'Transpose',
      [value],
      perm.map((axis) => value.shape[axis]),
      { perm },
    );
  }

  integers(values: readonly number[], type: 'int64' | 'int32' = 'int64'): Value {
    const data = type === 'int64' ? BigInt64Array.from(values.map(BigInt)) : Int32Array.from(values);
    return this.#constant(`${type} ${values.join()}`, new Uint8Array(data.buffer), [values.length], type);
  }

  /** [1, n], float32 */
  ones(n: number): Value {
    return this.#constant(`ones ${n}`, new Uint8Array(new Float32Array(n).fill(1).buffer), [1, n], 'float32');
  }

  #constant(key: string, data: Uint8Array, shape: readonly number[], type: ElementType): Value {
    let value = this.#constants.get(key);
    if (!value) {
      value = { type, shape, from: { kind: 'constant', data } };
      this.#constants.set(key, value);
    }
    return value;
  }

  /** Tells values apart, in the order in which they were met. */
  id(value: Value): number {
    let id = this.#ids.get(value);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(value, id);
    }
    return id;
  }
}

/** The node that makes a value, if it is of this kind. */
export function producer(value: Value, op: string): RecordedNode | undefined {
  return value.from.kind === 'node' && value.from.node.op === op ? value.from.node : undefined;
}

/** A value before it was reshaped. */
export function unshaped(value: Value): Value {
  let source = value;
  for (let node = producer(source, 'Reshape'); node; node = producer(source, 'Reshape')) source = node.inputs[0]!;
  return source;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
