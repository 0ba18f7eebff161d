import * as tf from '@tensorflow/tfjs';
import { Random } from '@retort/core';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { cappedMinNorm } from './capped-min-norm.js';

const gramOf = (gradients: number[][]) =>
  gradients.map((a) => gradients.map((b) => a.reduce((sum, v, c) => sum + v * b[c], 0)));
const lengthOf = (gram: number[][], a: ArrayLike<number>) =>
  gram.reduce((sum, row, i) => sum + row.reduce((inner, g, j) => inner + a[i] * g * a[j], 0), 0);

/** Frank and Wolfe with exact line search in float64, as a second way to the optimum. */
function frankWolfe(gram: number[][], cap: number, iterations = 20_000): number[] {
  const count = gram.length;
  let a = gram.map(() => 1 / count);
  for (let t = 0; t < iterations; t++) {
    const gradient = gram.map((row) => row.reduce((sum, g, j) => sum + g * a[j], 0));
    const vertex = new Array<number>(count).fill(0);
    let mass = 1;
    for (const i of gradient.map((_, k) => k).sort((x, y) => gradient[x] - gradient[y])) {
      vertex[i] = Math.min(cap, mass);
      mass -= vertex[i];
    }
    const direction = a.map((value, i) => value - vertex[i]);
    const slope = direction.reduce((sum, d, i) => sum + d * gradient[i], 0);
    const curvature = lengthOf(gram, direction);
    if (!(slope > 1e-15)) break;
    const step = Math.min(1, slope / Math.max(curvature, 1e-300));
    a = a.map((value, i) => value - step * direction[i]);
  }
  return a;
}

const random = new Random([3, 9]);
const gradients = (count: number, size: number) =>
  Array.from({ length: count }, () => Array.from({ length: size }, () => random.normal() + 0.7));

describeEachBackend('cappedMinNorm', () => {
  it.each([
    [2, 1],
    [3, 1],
    [3, 0.6],
    [4, 0.6],
    [4, 0.3],
    [5, 0.25],
    [6, 0.4],
  ])('finds the shortest combination of %i gradients with weights of at most %f', async (count, cap) => {
    const solve = cappedMinNorm(count, cap);
    for (let trial = 0; trial < 4; trial++) {
      const gram = gramOf(gradients(count, 10));
      const weights = Array.from(await solve(tf.tensor2d(gram)).data());
      expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(Math.min(...weights)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...weights)).toBeLessThanOrEqual(cap + 1e-3);
      expect(lengthOf(gram, weights)).toBeLessThanOrEqual(lengthOf(gram, frankWolfe(gram, cap)) * (1 + 2e-3) + 1e-4);
    }
  });

  it('has the closed form of two gradients', async () => {
    // a = ⟨g2 − g1, g2⟩ / ‖g1 − g2‖².
    const [g1, g2] = [
      [2, 0.5],
      [-0.5, 1],
    ];
    const dot = (a: number[], b: number[]) => a.reduce((sum, v, c) => sum + v * b[c], 0);
    const a = (dot(g2, g2) - dot(g1, g2)) / (dot(g1, g1) + dot(g2, g2) - 2 * dot(g1, g2));
    await expectClose(cappedMinNorm(2, 1)(tf.tensor2d(gramOf([g1, g2]))), [a, 1 - a], { absolute: 1e-4 });
    await expectClose(cappedMinNorm(2, 0.6)(tf.tensor2d(gramOf([g1, g2]))), [0.4, 0.6], { absolute: 1e-4 });
  });

  it('shares alike where nothing tells the gradients apart', async () => {
    const third = [1 / 3, 1 / 3, 1 / 3];
    await expectClose(cappedMinNorm(3, 0.6)(tf.zeros([3, 3])), third, { absolute: 1e-3 });
    await expectClose(cappedMinNorm(3, 0.6)(tf.ones([3, 3])), third, { absolute: 1e-2 });
    await expectClose(cappedMinNorm(3, 0.3)(tf.tensor2d(gramOf(gradients(3, 4)))), third);
    await expectClose(cappedMinNorm(1, 0.6)(tf.ones([1, 1])), [1]);
  });

  it('follows a permutation of the gradients', async () => {
    const own = gradients(4, 6);
    const order = [2, 0, 3, 1];
    const [plain, moved] = [own, order.map((m) => own[m])].map((g) => cappedMinNorm(4, 0.5)(tf.tensor2d(gramOf(g))));
    await expectClose(
      moved,
      order.map((m) => plain.dataSync()[m]),
      { absolute: 1e-3 },
    );
  });

  it('leaves no tensors', () => {
    const gram = tf.tensor2d(gramOf(gradients(3, 4)));
    return expectNoLeak(() => cappedMinNorm(3, 0.6)(gram).dispose());
  });
});
