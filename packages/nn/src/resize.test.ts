import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { resizeFeatureMap } from './resize.js';
import { numbers } from './test-support/numbers.js';

const [batch, channels] = [2, 3];
const at = (width: number, height: number, values: number[]) => (b: number, y: number, x: number, c: number) =>
  values[((b * height + y) * width + x) * channels + c];

/** Every value of [B, height, width, K]. */
function build(height: number, width: number, value: (b: number, y: number, x: number, c: number) => number): number[] {
  const result: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) for (let c = 0; c < channels; c++) result.push(value(b, y, x, c));
  return result;
}

describeEachBackend('resizeFeatureMap', () => {
  it('returns a map of that size itself', () => {
    const x = tf.ones<tf.Rank.R4>([1, 4, 5, 2]);
    expect(resizeFeatureMap(x, 4, 5)).toBe(x);
    x.dispose();
  });

  it('shrinks 8 × 8 to 4 × 4 by means of blocks', async () => {
    const values = numbers('8', batch * 64 * channels);
    const from = at(8, 8, values);
    const expected = build(4, 4, (b, y, x, c) => {
      const corner = [0, 1].flatMap((dy) => [0, 1].map((dx) => from(b, 2 * y + dy, 2 * x + dx, c)));
      return corner.reduce((sum, value) => sum + value) / 4;
    });
    await expectClose(resizeFeatureMap(tf.tensor4d(values, [batch, 8, 8, channels]), 4, 4), expected);
  });

  it('shrinks by adaptive pooling where sizes do not divide: 5 to 3 by overlapping cells', async () => {
    const x = tf.tensor4d([1, 2, 4, 8, 16], [1, 5, 1, 1]);
    await expectClose(resizeFeatureMap(x, 3, 1), [1.5, (2 + 4 + 8) / 3, 12]);
  });

  it("grows 4 to 8 as PyTorch's align_corners=False", async () => {
    const x = tf.tensor4d([0, 4, 8, 20], [1, 1, 4, 1]);
    // torch.nn.functional.interpolate(…, size=8, mode='bilinear'): weights ¾ and ¼, edges repeated
    await expectClose(resizeFeatureMap(x, 1, 8), [0, 1, 3, 5, 7, 11, 17, 20]);
  });

  it('grows both axes at once, each with its own weights', async () => {
    const values = numbers('2x4', batch * 8 * channels);
    const from = at(4, 2, values);
    const weights = (i: number, size: number): [number, number][] => {
      const center = Math.max(0, (i + 0.5) / 2 - 0.5);
      const low = Math.floor(center);
      return [
        [low, 1 - (center - low)],
        [Math.min(low + 1, size - 1), center - low],
      ];
    };
    const expected = build(4, 8, (b, y, x, c) => {
      let sum = 0;
      for (const [i, p] of weights(y, 2)) for (const [j, q] of weights(x, 4)) sum += p * q * from(b, i, j, c);
      return sum;
    });
    await expectClose(resizeFeatureMap(tf.tensor4d(values, [batch, 2, 4, channels]), 4, 8), expected);
  });

  it.each([
    [2, 8],
    [8, 2],
    [7, 4],
  ])('keeps a constant map constant: %d to %d', async (from, to) => {
    const resized = resizeFeatureMap(tf.fill([1, from, from, 1], 1.5), to, to);
    await expectClose(resized, new Array(to * to).fill(1.5));
  });

  it.each([
    [4, 2],
    [2, 4],
    [2, 3],
  ])('has the transpose as gradient: ⟨R x, g⟩ = ⟨x, Rᵀ g⟩, %d to %d', async (from, to) => {
    const g = tf.tensor4d(numbers('g', to * to), [1, to, to, 1]);
    const x = tf.variable(tf.tensor4d(numbers('x', from * from), [1, from, from, 1]));
    const { grads } = tf.variableGrads(
      () =>
        resizeFeatureMap(x as tf.Tensor as tf.Tensor4D, to, to)
          .mul(g)
          .sum() as tf.Scalar,
      [x],
    );
    // The map is linear: the gradient at a cell is the product with that cell's image.
    const expected = Array.from({ length: from * from }, (_, i) =>
      tf.tidy(() => {
        const unit = tf.oneHot(tf.scalar(i, 'int32'), from * from).reshape<tf.Tensor4D>([1, from, from, 1]);
        return resizeFeatureMap(unit.toFloat(), to, to).mul(g).sum().dataSync()[0];
      }),
    );
    await expectClose(grads[x.name], expected);
    x.dispose();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const x = tf.ones<tf.Rank.R4>([2, 4, 4, 3]);
      tf.dispose([resizeFeatureMap(x, 2, 2), resizeFeatureMap(x, 8, 8), x]);
    }));
});
