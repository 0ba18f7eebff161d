import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describeEachBackend, expectClose, expectNoLeak } from '@retort-tools/testing';
import { groupedConv2d } from './grouped-conv2d.js';
import { groupedConv2dLayer, type GroupedConv2dLayerConfig } from './grouped-conv2d-layer.js';
import { loadLayersModel, saveLayersModel } from './layers-model-files.js';
import { numbers } from './test-support/numbers.js';

/** A model of the layer alone, with weights that differ everywhere. */
function network(config: Partial<GroupedConv2dLayerConfig>): tf.LayersModel {
  const model = tf.sequential();
  model.add(groupedConv2dLayer({ name: 'g', inputShape: [7, 6, 4], filters: 6, kernelSize: 3, groups: 2, ...config }));
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map(({ shape, size }) => tf.tensor(numbers(`weights ${shape.length}`, size), shape)),
    ),
  );
  return model;
}

const image = () => tf.tensor4d(numbers('x', 2 * 7 * 6 * 4), [2, 7, 6, 4]);

const configs: Partial<GroupedConv2dLayerConfig>[] = [
  {},
  { strides: 2, useBias: false },
  { strides: [1, 3], padding: 'valid', kernelSize: [3, 2] },
  { dilationRate: 2, padding: 'valid' },
];

describeEachBackend('groupedConv2dLayer', () => {
  it.each(configs)('computes groupedConv2d, plus bias, with %j, in the shape it says', async (config) => {
    const model = network(config);
    const { strides, padding, dilationRate: dilations } = config;
    const [kernel, bias] = model.getWeights() as [tf.Tensor4D, tf.Tensor?];
    const y = model.apply(image()) as tf.Tensor;
    expect(y.shape).toEqual([2, ...(model.outputShape as number[]).slice(1)]);
    const expected = groupedConv2d(image(), kernel, { groups: 2, strides, pad: padding, dilations });
    await expectClose(y, bias ? expected.add(bias) : expected);
    model.dispose();
  });

  it.each(configs)('with %j is the same after saving and loading', async (config) => {
    const folder = mkdtempSync(join(tmpdir(), 'retort-grouped-'));
    const model = network(config);
    await saveLayersModel(model, folder);
    // As in a process that only loads.
    delete tf.serialization.SerializationMap.getMap().classNameMap.GroupedConv2D;
    const { model: loaded } = await loadLayersModel(join(folder, 'model.json'));
    rmSync(folder, { recursive: true });
    await expectClose(loaded.apply(image()) as tf.Tensor, model.apply(image()) as tf.Tensor, {
      absolute: 0,
      relative: 0,
    });
    expect(loaded.layers[0].getConfig()).toEqual(model.layers[0].getConfig());
    model.dispose();
    loaded.dispose();
  });

  it('starts from its initializer, which a configuration keeps', async () => {
    const model = tf.sequential();
    const kernelInitializer = tf.initializers.heNormal({ seed: 5 });
    const inputShape: [number, number, number] = [5, 5, 4];
    model.add(groupedConv2dLayer({ inputShape, filters: 4, kernelSize: 3, groups: 2, kernelInitializer }));
    const again = await tf.models.modelFromJSON(JSON.parse(model.toJSON() as string));
    const [first] = model.getWeights();
    expect(first.shape).toEqual([3, 3, 2, 4]);
    expect(new Set(await first.data()).size).toBe(first.size);
    await expectClose(again.getWeights()[0], first, { absolute: 0, relative: 0 });
    model.dispose();
    again.dispose();
  });

  it('learns', async () => {
    const model = network({});
    const weights = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    expect(weights).toHaveLength(2);
    const { value, grads } = tf.variableGrads(
      () => (model.apply(image(), { training: true }) as tf.Tensor).square().mean() as tf.Scalar,
      weights,
    );
    for (const { name } of weights) expect((await grads[name].abs().max().data())[0]).toBeGreaterThan(0);
    tf.dispose([value, grads]);
    model.dispose();
  });

  it('leaves no tensors', () =>
    expectNoLeak(() => {
      const model = network({});
      const x = image();
      tf.dispose([x, model.predict(x) as tf.Tensor]);
      model.dispose();
    }));
});
