import { cifarResnetSpec } from './cifar-resnet.js';
import { countNetwork, inferShapes, type LayerSpec, type NetworkSpec } from './network-spec.js';

const resnet = (depth: number, classes = 100, width: [number, number, number] = [16, 32, 64]) =>
  cifarResnetSpec({
    depth,
    width,
    classes: Array.from({ length: classes }, (_, i) => `${i}`),
    imageShape: [32, 32, 3],
    normalization: { mean: [0, 0, 0], deviation: [1, 1, 1] },
  });

describe('counting', () => {
  // Published counts for 100 classes.
  it.each([
    [20, 278_324],
    [56, 861_620],
    [110, 1_736_564],
  ])('counts the parameters of ResNet-%i', (depth, parameters) => {
    expect(countNetwork(resnet(depth)).parameters).toBe(parameters);
  });

  it('counts the multiply-accumulates of ResNet-56', () => {
    expect(countNetwork(resnet(56)).macs).toBe(125_753_600);
  });

  it('follows images whose size does not halve evenly', () => {
    const shapes = inferShapes({ ...resnet(8), imageShape: [30, 33, 3] });
    expect(shapes.get('stage3_block1_relu')).toEqual([8, 9, 64]);
  });
});

describe('a specification that does not hold together', () => {
  const relu = (name: string, from: string): LayerSpec => ({ name, from: [from], config: { type: 'relu' } });
  const spec = (...layers: LayerSpec[]): NetworkSpec => ({ imageShape: [8, 8, 3], layers, outputs: {} });

  it('names a layer that is read before it exists', () => {
    expect(() => inferShapes(spec(relu('a', 'b'), relu('b', 'image')))).toThrow(
      'layer "a" reads "b", which no earlier layer is called',
    );
  });

  it('names a layer that stands there twice', () => {
    expect(() => inferShapes(spec(relu('a', 'image'), relu('a', 'image')))).toThrow('two layers are called "a"');
  });

  it('gives both shapes of maps that cannot be added', () => {
    const pool: LayerSpec = { name: 'half', from: ['image'], config: { type: 'conv', filters: 3, size: 1, stride: 2 } };
    expect(() => inferShapes(spec(pool, { name: 'sum', from: ['image', 'half'], config: { type: 'add' } }))).toThrow(
      'cannot add maps of 8 x 8 x 3 and 4 x 4 x 3',
    );
  });
});
