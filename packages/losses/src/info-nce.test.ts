import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import * as tf from '@tensorflow/tfjs';
import { infoNce, symmetricInfoNce } from './info-nce.js';
import { expectValueAndGradient } from './test-support/gradient.js';
import { makeLoss, sum } from './test-support/make.js';
import {
  cosines,
  half,
  output,
  ownEntropy,
  packed,
  pairs,
  reordered,
  unpacked,
  unpackedOutput,
  type WrittenPairs,
} from './test-support/pairs.js';

const shapes = { student: { imageEmbedding: [3], textEmbedding: [3], logitScale: [] } };
const batch = pairs('student', 4, 3, 5);
const written = ({ image, text, scale }: WrittenPairs) =>
  half(ownEntropy(cosines(image, text, scale)), ownEntropy(cosines(text, image, scale)));
const apply = (given: WrittenPairs) =>
  makeLoss(infoNce, {}, shapes).apply(output(given), undefined, { size: given.image.length }, { training: true });

describeEachBackend('info-nce', () => {
  it('is worked out by hand', async () => {
    // Probabilities of the own text 3/4 and 4/6, of the own image 3/5 and 4/5.
    const value = symmetricInfoNce(tf.tensor2d([3, 1, 2, 4], [2, 2]).log().sub(7));
    await expectClose(value, [-Math.log((3 / 4) * (3 / 5)) / 2, -Math.log((4 / 6) * (4 / 5)) / 2]);
  });

  it('matches both cross-entropies written out in float64', async () => {
    await expectClose(apply(batch).perSample, written(batch));
  });

  it('has the gradient of finite differences, of images, texts and scale', async () => {
    const loss = makeLoss(infoNce, {}, shapes);
    await expectValueAndGradient<tf.Tensor1D>(
      (x) => loss.apply(unpackedOutput(x, 4, 3), undefined, { size: 4 }, { training: true }).perSample,
      (x) => sum(written(unpacked(x, 4, 3))),
      packed(batch),
      [25],
    );
  });

  it('follows the order of pairs, and is the same with images and texts exchanged', async () => {
    const order = [2, 0, 3, 1];
    const expected = await apply(batch).perSample.data();
    await expectClose(
      apply(reordered(batch, order)).perSample,
      order.map((i) => expected[i]),
    );
    await expectClose(apply({ ...batch, image: batch.text, text: batch.image }).perSample, expected);
  });

  it('asks for directions only', async () => {
    const longer = { ...batch, image: batch.image.map((row) => row.map((x) => 50 * x)) };
    await expectClose(apply(longer).perSample, written(batch));
  });

  it('is log B where all look alike, nothing where all are found, 0 for one pair, and finite at any scale', async () => {
    const alike = { image: [[1, 1, 1]], text: [[2, 2, 2]], scale: 100 };
    const repeated = { ...alike, image: Array(4).fill(alike.image[0]), text: Array(4).fill(alike.text[0]) };
    await expectClose(apply(repeated as WrittenPairs).perSample, Array(4).fill(Math.log(4)));
    const axes = [
      [1, 0, 0],
      [0, 2, 0],
      [0, 0, 3],
    ];
    await expectClose(apply({ image: axes, text: axes, scale: 1e4 }).perSample, [0, 0, 0], { absolute: 0 });
    await expectClose(apply(alike).perSample, [0], { absolute: 0 });
    const mistaken = { image: axes, text: [...axes.slice(1), axes[0]], scale: 1e4 };
    await expectClose(apply(mistaken).perSample, [1e4, 1e4, 1e4]);
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const student = output(batch);
      const loss = makeLoss(infoNce, {}, shapes);
      tf.dispose([
        loss.apply(student, undefined, { size: 4 }, { training: true }).perSample,
        ...Object.values(student),
      ]);
    }));
});

describe('info-nce', () => {
  it('refuses a batch whose texts are not one an image', () => {
    const loss = makeLoss(infoNce, {}, shapes);
    const student = { ...output(batch), textEmbedding: tf.zeros<tf.Rank.R2>([20, 3]) };
    expect(() => loss.apply(student, undefined, { size: 4 }, { training: false })).toThrow(
      'losses[2]: loss "info-nce" needs one text an image, text i of image i; this batch has 20 texts of 4 images',
    );
    const owners = { size: 4, imageOfText: tf.tensor1d([1, 0, 3, 2], 'int32') };
    expect(() => loss.apply(output(batch), undefined, owners, { training: false })).toThrow('needs one text an image');
    const { textEmbedding: _, ...images } = output(batch);
    expect(() => loss.apply(images, undefined, { size: 4 }, { training: true })).toThrow(
      'losses[2]: loss "info-nce" needs a text for every image, this batch has none',
    );
  });

  it('refuses encoders of two sizes and a network without texts', () => {
    expect(() => makeLoss(infoNce, {}, { student: { imageEmbedding: [64], textEmbedding: [32] } })).toThrow(
      'losses[2]: the student gives images of 64 numbers and texts of 32; loss "info-nce" compares them',
    );
    expect(() => makeLoss(infoNce, {}, { student: { imageEmbedding: [64] } })).toThrow(
      'losses[2]: the student gives no "textEmbedding", loss "info-nce" needs [B, D]',
    );
  });
});
