import { InferenceSession, Tensor } from 'onnxruntime-node';
import { encodeModel, type ElementType, type ModelConstant, type ModelNode } from '../onnx-model.js';
import { bytesOfIntegers, type ConstantNumbers, constantWriter } from './batch-constants.js';

const arrays = { int64: bytesOfIntegers, int32: bytesOf(Int32Array), float32: bytesOf(Float32Array) };

function bytesOf(kind: typeof Int32Array | typeof Float32Array) {
  return (values: readonly number[]) => new Uint8Array(kind.from(values).buffer);
}

const numbers = (type: keyof typeof arrays, shape: number[], values: number[]): ConstantNumbers => ({
  type,
  shape,
  data: arrays[type](values),
});

/** What a constant that is `at(2)` and `at(3)` in the recordings is at another batch size. */
async function valueAt(batch: number, at: (batch: number) => ConstantNumbers, isTarget = false): Promise<number[]> {
  const [nodes, constants]: [ModelNode[], ModelConstant[]] = [[], []];
  let made = 0;
  const write = constantWriter({
    nodes,
    constants,
    sizes: [2, 3],
    input: 'x',
    unique: (name) => `${name}${made++}`,
    refuse: (layer, what) => {
      throw new Error(`${layer}: ${what}`);
    },
  });
  const name = write('layer', at(2), at(3), isTarget);
  const { type, shape } = at(batch);
  nodes.push({ op: 'Identity', inputs: [name], outputs: ['y'], attributes: {}, name: 'y' });
  const bytes = encodeModel(
    nodes,
    [{ name: 'x', type: 'float32', shape: ['batch', 1] }],
    [{ name: 'y', type: type as ElementType, shape: shape.map((_, axis) => `size${axis}`) }],
    constants,
  );
  const session = await InferenceSession.create(bytes);
  const { y } = await session.run({ x: new Tensor('float32', new Float32Array(batch), [batch, 1]) });
  await session.release();
  return Array.from(y.data as ArrayLike<number>, Number);
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('constantWriter', () => {
  it('keeps what does not depend on the batch', async () => {
    expect(await valueAt(7, () => numbers('float32', [2], [1.5, -2]))).toEqual([1.5, -2]);
  });

  it.each(['int64', 'int32'] as const)('computes lists of %s that grow with it', async (type) => {
    expect(await valueAt(7, (batch) => numbers(type, [3], [4, batch, 3 * batch - 1]))).toEqual([4, 7, 20]);
  });

  it('leaves one size of a reshape to be found', async () => {
    expect(await valueAt(7, (batch) => numbers('int64', [2], [5 * batch, 4]), true)).toEqual([-1, 4]);
    expect(await valueAt(7, (batch) => numbers('int64', [2], [batch, batch]), true)).toEqual([7, 7]);
  });

  it('repeats what repeats itself', async () => {
    const rows = (batch: number) =>
      numbers(
        'float32',
        [batch, 2],
        range(batch).flatMap(() => [3, 5]),
      );
    expect(await valueAt(4, rows)).toEqual([3, 5, 3, 5, 3, 5, 3, 5]);
    const middle = (batch: number) =>
      numbers('float32', [2, 2 * batch, 1], [...range(2 * batch).map(() => 1), ...range(2 * batch).map(() => 2)]);
    expect(await valueAt(1, middle)).toEqual([1, 1, 2, 2]);
  });

  it.each<[string, (batch: number) => ConstantNumbers, string]>([
    ['numbers that depend on it', (batch) => numbers('float32', [1], [1 / batch]), 'the numbers of a constant differ'],
    ['rows that count on', (batch) => numbers('int32', [batch], range(batch)), 'from int32[2] to int32[3]'],
    ['another rank', (batch) => numbers('int64', batch === 2 ? [1] : [1, 1], [0]), 'from int64[1] to int64[1,1]'],
  ])('refuses %s', async (_, at, message) => {
    await expect(valueAt(5, at)).rejects.toThrow(message);
  });
});
