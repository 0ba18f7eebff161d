import * as tf from '@tensorflow/tfjs';
import { describeEachBackend } from '@retort-tools/testing';
import { namedWeights } from './named-weights.js';

function network(): tf.LayersModel {
  const input = tf.input({ shape: [4, 4, 3], name: 'image' });
  let x = tf.layers
    .depthwiseConv2d({ kernelSize: 1, name: 'normalize', trainable: false, depthwiseInitializer: 'ones' })
    .apply(input);
  x = tf.layers.conv2d({ filters: 2, kernelSize: 3, useBias: false, kernelInitializer: 'ones', name: 'stem' }).apply(x);
  x = tf.layers.batchNormalization({ name: 'stem_norm' }).apply(x);
  return tf.model({ inputs: input, outputs: x as tf.SymbolicTensor, name: 'net' });
}

describeEachBackend('namedWeights', () => {
  it('gives a second model of the process the same keys', () => {
    const models = [network(), network()];
    for (const model of models) {
      const { trainable, frozen } = namedWeights(model);
      expect(Object.keys(trainable)).toEqual(['stem/kernel', 'stem_norm/gamma', 'stem_norm/beta']);
      expect(Object.keys(frozen)).toEqual([
        'normalize/depthwise_kernel',
        'normalize/bias',
        'stem_norm/moving_mean',
        'stem_norm/moving_variance',
      ]);
    }
    expect(namedWeights(models[0]).trainable['stem/kernel']).not.toBe(namedWeights(models[1]).trainable['stem/kernel']);
    models.forEach((model) => model.dispose());
  });

  it('gives the variables that the network computes with', async () => {
    const model = network();
    const image = tf.ones([1, 4, 4, 3]);
    const before = await (model.apply(image) as tf.Tensor).data();
    const beta = namedWeights(model).trainable['stem_norm/beta'];
    tf.tidy(() => beta.assign(tf.tensor1d([10, -10])));
    const after = await (model.apply(image) as tf.Tensor).data();
    expect(after[0] - before[0]).toBeCloseTo(10, 4);
    expect(after[1] - before[1]).toBeCloseTo(-10, 4);
    model.dispose();
  });

  it('reaches into nested models and keeps their weights apart', () => {
    const inner = (name: string) =>
      tf.sequential({ name, layers: [tf.layers.dense({ units: 2, inputShape: [2], name: 'dense' })] });
    const model = tf.sequential({ name: 'outer', layers: [inner('a'), inner('b')] });
    model.layers[1].trainable = false;
    const { trainable, frozen } = namedWeights(model);
    expect(Object.keys(trainable)).toEqual(['a/dense/kernel', 'a/dense/bias']);
    expect(Object.keys(frozen)).toEqual(['b/dense/kernel', 'b/dense/bias']);
    model.dispose();
  });
});
