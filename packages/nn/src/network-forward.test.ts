import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { forward, subNetwork } from './network-forward.js';

/** BN of pixels, then their mean; gamma 1, beta 0, moving mean 0, moving variance 1. */
function network() {
  const input = tf.input({ shape: [2, 2, 1], name: 'image' });
  const norm = tf.layers
    .batchNormalization({ name: 'norm', momentum: 0.9, epsilon: 1e-5 })
    .apply(input) as tf.SymbolicTensor;
  const pooled = tf.layers.globalAveragePooling2d({ name: 'pool', dataFormat: 'channelsLast' }).apply(norm);
  const model = tf.model({ inputs: input, outputs: [pooled as tf.SymbolicTensor, norm], name: 'net' });
  return { model, offers: { embedding: [1], normalized: [2, 2, 1] } };
}

describeEachBackend('forward', () => {
  it('names the outputs, unknown ones as taps, and uses moving averages outside training', async () => {
    const student = network();
    const image = tf.tensor4d([1, 2, 3, 6], [1, 2, 2, 1]);
    const output = forward(student, { image: image }, { training: false });
    expect(Object.keys(output)).toEqual(['embedding', 'taps']);
    await expectClose(output.embedding!, [3 / Math.sqrt(1 + 1e-5)]);
    await expectClose(
      output.taps!.normalized,
      [1, 2, 3, 6].map((x) => x / Math.sqrt(1 + 1e-5)),
    );
    await expectClose(student.model.getLayer('norm').getWeights()[2], [0], { absolute: 0 });
    student.model.dispose();
  });

  it("uses the batch's statistics in training and moves the averages", async () => {
    const student = network();
    const image = tf.tensor4d([1, 2, 3, 6], [1, 2, 2, 1]);
    const output = forward(student, { image: image }, { training: true });
    const [mean, variance] = [3, (4 + 1 + 0 + 9) / 4];
    await expectClose(
      output.taps!.normalized,
      [1, 2, 3, 6].map((x) => (x - mean) / Math.sqrt(variance + 1e-5)),
    );
    await expectClose(student.model.getLayer('norm').getWeights()[2], [0.1 * mean]);
    student.model.dispose();
  });

  it('hands noise to the layers, by name', async () => {
    class Noisy extends tf.layers.Layer {
      static readonly className = 'Noisy';
      override call(inputs: tf.Tensor[], { noise }: { noise?: Record<string, tf.Tensor> }) {
        return inputs[0].add(noise?.[this.name] ?? tf.zerosLike(inputs[0]));
      }
    }
    const input = tf.input({ shape: [2] });
    const outputs = ['a', 'b'].map((name) => new Noisy({ name }).apply(input) as tf.SymbolicTensor);
    const network = { model: tf.model({ inputs: input, outputs }), offers: { a: [2], b: [2] } };
    const { taps } = forward(
      network,
      { image: tf.tensor2d([[1, 2]]) },
      { training: true, noise: { b: tf.tensor2d([[5, 6]]) } },
    );
    await expectClose(taps!.a, [1, 2]);
    await expectClose(taps!.b, [6, 8]);
    network.model.dispose();
  });

  it('leaves nothing behind but its outputs', async () => {
    const student = network();
    const image = tf.ones([2, 2, 2, 1]);
    await expectNoLeak(() => {
      for (const training of [true, false]) {
        const { embedding, taps } = forward(student, { image: image }, { training });
        tf.dispose([embedding!, taps!]);
      }
    });
    student.model.dispose();
  });
});

describeEachBackend('a network of images and texts', () => {
  const dual = () => {
    const image = tf.input({ shape: [4], name: 'image' });
    const tokens = tf.input({ shape: [3], name: 'tokens', dtype: 'int32' });
    const dense = (name: string) => tf.layers.dense({ units: 2, name, kernelInitializer: 'ones' });
    const outputs = [dense('of_image').apply(image), dense('of_text').apply(tokens)] as tf.SymbolicTensor[];
    const model = tf.model({ inputs: [image, tokens], outputs });
    return { model, offers: { imageEmbedding: [2], textEmbedding: [2] } };
  };

  it('takes as many texts as there are, and either encoder alone', async () => {
    const network = dual();
    const inputs = { image: tf.ones([1, 4]), tokens: tf.ones([2, 3], 'int32') };
    const { imageEmbedding, textEmbedding } = forward(network, inputs, { training: false });
    await expectClose(imageEmbedding!, [4, 4]);
    await expectClose(textEmbedding!, [3, 3, 3, 3]);
    const encoder = subNetwork(network, 'tokens', ['textEmbedding']);
    expect(encoder.offers).toEqual({ textEmbedding: [2] });
    await expectClose(forward(encoder, inputs, { training: false }).textEmbedding!, [3, 3, 3, 3]);
    tf.dispose([inputs, imageEmbedding!, textEmbedding!]);
    network.model.dispose();
  });
});

describeEachBackend('a network that acts and remembers', () => {
  /** memory' = state + 10 · memory, logits = sum of both: inputs in another order than their names' in the alphabet. */
  const recurrent = () => {
    const state = tf.input({ shape: [2], name: 'state' });
    const memory = tf.input({ shape: [2], name: 'memory' });
    const tenfold = tf.layers
      .dense({ name: 'tenfold', units: 2, useBias: false, weights: [tf.tensor2d([10, 0, 0, 10], [2, 2])] })
      .apply(memory);
    const next = tf.layers.add({ name: 'next' }).apply([state, tenfold] as tf.SymbolicTensor[]) as tf.SymbolicTensor;
    const head = tf.layers.dense({ name: 'head', units: 1, useBias: false, kernelInitializer: 'ones' });
    const model = tf.model({ inputs: [state, memory], outputs: [head.apply(next) as tf.SymbolicTensor, next] });
    return { model, offers: { logits: [1], memory: [2] } };
  };

  it('reads state and memory by name, and hands on what it remembers', async () => {
    const network = recurrent();
    const inputs = { state: tf.tensor2d([[1, 2]]), memory: tf.tensor2d([[3, 4]]) };
    const first = forward(network, inputs, { training: false });
    expect(Object.keys(first)).toEqual(['logits', 'memory']);
    await expectClose(first.logits!, [31 + 42]);
    await expectClose(first.memory!, [31, 42]);
    const second = forward(network, { ...inputs, memory: first.memory }, { training: false });
    await expectClose(second.memory!, [311, 422]);
    network.model.dispose();
  });

  it('hands a state to a network for images, whose input has its own name', async () => {
    const student = network();
    const { embedding } = forward(student, { state: tf.tensor4d([1, 2, 3, 6], [1, 2, 2, 1]) }, { training: false });
    await expectClose(embedding!, [3 / Math.sqrt(1 + 1e-5)]);
    student.model.dispose();
  });

  it('gives means, values and advantages as fields', () => {
    const state = tf.input({ shape: [2], name: 'state' });
    const names = ['mean', 'value', 'advantages'];
    const outputs = names.map((name) => tf.layers.dense({ name, units: 1 }).apply(state) as tf.SymbolicTensor);
    const model = tf.model({ inputs: state, outputs });
    const network = { model, offers: Object.fromEntries(names.map((name) => [name, [1]])) };
    expect(Object.keys(forward(network, { state: tf.ones([1, 2]) }, { training: false }))).toEqual(names);
    model.dispose();
  });
});
