import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { box, generalizedIou } from './box.js';
import { expectValueAndGradient, valueAndGradient } from './test-support/gradient.js';
import { makeLoss, numbers, rows, sum } from './test-support/make.js';

const shapes = { student: { boxes: [4] } };

/** Boxes in [0, 1] with sides well apart, so that no finite difference crosses a corner of the function. */
const boxes = (name: string) =>
  rows(numbers(name, 20, 0.5), 4).map(([a, b, c, d]) => {
    const [left, top] = [0.05 + (a + 0.5) * 0.5, 0.05 + (b + 0.5) * 0.5];
    return [left, top, left + 0.1 + (c + 0.5) * 0.25, top + 0.1 + (d + 0.5) * 0.25].map(Math.fround);
  });
const [given, actual] = [boxes('given'), boxes('actual')];

function writtenGiou(a: number[], b: number[]): number {
  const area = ([left, top, right, bottom]: number[]) => Math.max(0, right - left) * Math.max(0, bottom - top);
  const both = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  const either = area(a) + area(b) - both;
  const around = area([Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]);
  return both / either - (around - either) / around;
}
const written = (a: number[], b: number[], distance = 1, overlap = 1) =>
  distance * sum(a.map((x, i) => Math.abs(x - b[i]))) + overlap * (1 - writtenGiou(a, b));
const perSample = (options: object, a: tf.Tensor2D) =>
  makeLoss(box, options, shapes).apply(
    { boxes: a },
    undefined,
    { size: 5, box: tf.tensor2d(actual) },
    { training: true },
  ).perSample;

describeEachBackend('box', () => {
  it('is worked out by hand', async () => {
    // The same; 1 of 4 + 4 − 1 in a frame of 9; apart: 0 of 2 in a frame of 3; inside: 1 of 4.
    const a = tf.tensor2d([0, 0, 2, 2, 0, 0, 2, 2, 0, 0, 1, 1, 0, 0, 2, 2], [4, 4]);
    const b = tf.tensor2d([0, 0, 2, 2, 1, 1, 3, 3, 2, 0, 3, 1, 1, 1, 2, 2], [4, 4]);
    await expectClose(generalizedIou(a, b), [1, 1 / 7 - 2 / 9, -1 / 3, 1 / 4]);
  });

  it.each([
    [{}, 1, 1],
    [{ distance: 5, overlap: 2 }, 5, 2],
    [{ overlap: 0 }, 1, 0],
  ])('matches the sum written out in float64 with the gradient of finite differences, %o', async (options, d, o) => {
    const expected = given.map((a, i) => written(a, actual[i], d, o));
    await expectClose(perSample(options, tf.tensor2d(given)), expected);
    await expectValueAndGradient<tf.Tensor2D>(
      (x) => perSample(options, x),
      (x) => sum(rows(x, 4).map((a, i) => written(a, actual[i], d, o))),
      given.flat(),
      [5, 4],
    );
  });

  it('agrees with counting the cells of a grid', async () => {
    const integers = (name: string) =>
      rows(numbers(name, 80, 0.5), 4).map((row) => {
        const [left, top, width, height] = row.map((x) => Math.floor((x + 0.5) * 8));
        return [left, top, left + 1 + width, top + 1 + height];
      });
    const [a, b] = [integers('grid-a'), integers('grid-b')];
    const cells = (inside: (x: number, y: number) => boolean) =>
      sum(Array.from({ length: 400 }, (_, c) => Number(inside(c % 20, Math.floor(c / 20)))));
    const covers = ([left, top, right, bottom]: number[], x: number, y: number) =>
      x >= left && x < right && y >= top && y < bottom;
    const expected = a.map((p, i) => {
      const q = b[i];
      const either = cells((x, y) => covers(p, x, y) || covers(q, x, y));
      const frame = [...[0, 1].map((k) => Math.min(p[k], q[k])), ...[2, 3].map((k) => Math.max(p[k], q[k]))];
      const around = cells((x, y) => covers(frame, x, y));
      return cells((x, y) => covers(p, x, y) && covers(q, x, y)) / either - (around - either) / around;
    });
    await expectClose(generalizedIou(tf.tensor2d(a), tf.tensor2d(b)), expected);
  });

  it('does not change when both boxes are moved or scaled, exchanged or mirrored', async () => {
    const [a, b] = [tf.tensor2d(given), tf.tensor2d(actual)];
    const expected = await generalizedIou(a, b).data();
    const moved = (x: tf.Tensor2D) => x.mul(3).add<tf.Tensor2D>(tf.tensor1d([1, -2, 1, -2]));
    await expectClose(generalizedIou(moved(a), moved(b)), expected);
    await expectClose(generalizedIou(b, a), expected);
    const mirrored = (x: tf.Tensor2D) => tf.sub(1, tf.gather(x, tf.tensor1d([2, 3, 0, 1], 'int32'), 1)) as tf.Tensor2D;
    await expectClose(generalizedIou(mirrored(a), mirrored(b)), expected);
  });

  it('takes a box inside out for an empty one and draws its sides together', async () => {
    // No area; the frame is [0.2, 0.8] × [0.4, 0.6] of 0.12 around the true box of 0.04.
    const { value, gradient } = await valueAndGradient<tf.Tensor2D>(
      (x) => generalizedIou(x, tf.tensor2d([[0.4, 0.4, 0.6, 0.6]])),
      [0.8, 0.45, 0.2, 0.55],
      [1, 4],
    );
    await expectClose([value], [-(0.12 - 0.04) / 0.12]);
    expect(gradient[0]).toBeLessThan(0);
    expect(gradient[2]).toBeGreaterThan(0);
  });

  it('stays finite for boxes of no size', async () => {
    const point = [0.5, 0.5, 0.5, 0.5];
    const { value, gradient } = await valueAndGradient<tf.Tensor2D>(
      (x) => generalizedIou(x, tf.tensor2d([point])),
      point,
      [1, 4],
    );
    expect(value).toBe(0);
    expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const [a, b] = [tf.tensor2d(given), tf.tensor2d(actual)];
      const loss = makeLoss(box, {}, shapes);
      tf.dispose([loss.apply({ boxes: a }, undefined, { size: 5, box: b }, { training: true }).perSample, a, b]);
    }));
});

describe('box', () => {
  it('refuses a data set without boxes and a student of other shapes', () => {
    const loss = makeLoss(box, {}, shapes);
    expect(() => loss.apply({}, undefined, { size: 1 }, { training: true })).toThrow(
      'losses[2]: loss "box" needs boxes, the data set gives none',
    );
    expect(() => makeLoss(box, {}, { student: { boxes: [5] } })).toThrow(
      'losses[2]: the student gives "boxes" as [B, 5], loss "box" needs [B, 4]',
    );
  });
});
