import type { ClusterPlot } from './cluster-plot.js';
import { scatterPlot, summarizeClusters } from './scatter-plot.js';

const corners: [number, number][] = [
  [0, 0],
  [4, 0],
  [4, 2],
  [0, 2],
];

/** Four points at the corners of a rectangle, in two clusters whose numbers are not those of the classes. */
const labelled: ClusterPlot = {
  points: corners,
  cluster: [0, 1, 1, 0],
  label: [2, 0, 2, 2],
  centers: [
    [0, 1],
    [4, 1],
  ],
  classes: ['river', 'road', 'sea'],
};

const circles = (text: string) =>
  [...text.matchAll(/<circle( class="o(\d+)")? cx="([\d.-]+)" cy="([\d.-]+)" r="3.2"><title>([^<]*)<\/title>/g)].map(
    ([, , outline, x, y, title]) => ({ outline, x: Number(x), y: Number(y), title }),
  );

describe('summarizeClusters', () => {
  it('counts, and gives a cluster the color of the class that it shares most points with', () => {
    expect(summarizeClusters(labelled)).toEqual([
      { cluster: 0, points: 2, commonest: { label: 2, share: 1 }, color: 2 },
      { cluster: 1, points: 2, commonest: { label: 0, share: 0.5 }, color: 0 },
    ]);
  });

  it('never gives two clusters one color while there are others', () => {
    const cluster = Array.from({ length: 120 }, (_, i) => i % 12);
    const label = cluster.map((k) => (k < 6 ? 4 : 5));
    const colors = summarizeClusters({ points: [], cluster, label, centers: new Array(12).fill([0, 0]) }).map(
      ({ color }) => color,
    );
    expect([...colors].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });

  it('takes the number of the cluster where classes are not known', () => {
    expect(summarizeClusters({ ...labelled, label: undefined }).map(({ color }) => color)).toEqual([0, 1]);
  });
});

describe('scatterPlot', () => {
  it('keeps the shape of the data, upright', () => {
    // 560 × 420 with 18 around: 4 × 2 becomes 524 × 262.
    const places = circles(scatterPlot(labelled)!.text).map(({ x, y }) => [x, y]);
    expect(places).toEqual(
      expect.arrayContaining([
        [18, 341],
        [542, 341],
        [542, 79],
        [18, 79],
      ]),
    );
  });

  it('titles points and centers, and outlines points by class', () => {
    const { text } = scatterPlot(labelled)!;
    expect(circles(text).map(({ title, outline }) => [title, outline])).toEqual([
      ['cluster 0, sea', '2'],
      ['cluster 0, sea', '2'],
      ['cluster 1, river', '0'],
      ['cluster 1, sea', '2'],
    ]);
    expect(text).toContain('<title>center of cluster 1: 2 points, 50% river</title>');
    expect(text).toContain('75.0% of the points have the commonest class');
    expect(text).toMatch(/aria-label="Classes, as outlines">[^]*river[^]*sea/);
    expect(text).not.toContain('road');
  });

  it('draws one point, none, and no more than two thousand', () => {
    const one = scatterPlot({ points: [[3, 3]], cluster: [0], centers: [[3, 3]] })!;
    expect(circles(one.text)).toEqual([{ outline: undefined, x: 280, y: 210, title: 'cluster 0' }]);
    expect(scatterPlot({ points: [], cluster: [], centers: [] })).toBeUndefined();
    const points = Array.from({ length: 5000 }, (_, i): [number, number] => [i, i % 7]);
    const many = scatterPlot({ points, cluster: points.map(() => 0), centers: [[0, 0]] })!.text;
    expect(circles(many)).toHaveLength(1667);
    expect(many).toContain('1 cluster, 1\u202f667 of them drawn');
  });

  it('names the largest clusters only where there are many', () => {
    const centers = Array.from({ length: 30 }, (_, k): [number, number] => [k, 0]);
    const cluster = Array.from({ length: 100 }, (_, i) => i % 29);
    const { text } = scatterPlot({ points: cluster.map((k) => [k, 1]), cluster, centers })!;
    expect(text).toContain('and 6 smaller clusters');
    expect(text).toContain('Colors repeat after 12.');
  });
});
