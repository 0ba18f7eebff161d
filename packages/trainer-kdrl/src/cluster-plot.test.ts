import { Random } from '@retort/core';
import { plotClusters } from './cluster-plot.js';
import { dot, normals, rowsOf, unit } from './test-support/planted.js';

/** Eigenvalues, descending, and eigenvectors of a symmetric matrix by Jacobi's rotations. */
function eigen(matrix: number[][]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const a = matrix.map((row) => row.slice());
  const v = a.map((_, i) => a.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 50; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (a[p][q] === 0) continue;
        const angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (const rows of [a, v]) {
          for (const row of rows) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
        }
        [a[p], a[q]] = [a[p].map((x, k) => c * x - s * a[q][k]), a[p].map((x, k) => s * x + c * a[q][k])];
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v.map((row) => row[i])) };
}

const [K, D, P] = [7, 5, 20];
const random = new Random([12, 1]);
// Each coordinate varies less than the one before, so that the axes are well apart.
const centers = rowsOf(normals(K * D, random), D).map((row) => row.map((value, d) => Math.fround(value / (d + 1))));
const embeddings = Float32Array.from(normals(P * D, random));
const plotOf = (rows: number[][], points = embeddings) =>
  plotClusters({ data: Float32Array.from(rows.flat()), shape: [rows.length, rows[0].length] }, points, {
    cluster: new Array<number>(points.length / rows[0].length).fill(0),
  });

describe('the plot of clusters', () => {
  const mean = centers[0].map((_, d) => centers.reduce((sum, row) => sum + row[d] / K, 0));
  const around = centers.map((row) => row.map((value, d) => value - mean[d]));
  const covariance = mean.map((_, i) => mean.map((_, j) => around.reduce((sum, row) => sum + row[i] * row[j], 0)));
  const { values, vectors } = eigen(covariance);

  it('has the first two eigenvectors of the covariance of the centers as its axes', () => {
    // What the test stands on: M v = λ v.
    vectors.forEach((vector, k) =>
      covariance.forEach((row, i) => expect(dot(row, vector)).toBeCloseTo(values[k] * vector[i], 10)),
    );
    const plot = plotOf(centers);
    const places = [...centers, ...rowsOf(embeddings, D).map(unit)].map((row) =>
      row.map((value, d) => value - mean[d]),
    );
    for (const axis of [0, 1]) {
      const expected = places.map((row) => dot(row, vectors[axis]));
      const found = [...plot.centers, ...plot.points].map((place) => place[axis]);
      // An axis may point either way.
      const sign = Math.sign(expected[0] * found[0]);
      found.forEach((each, i) => expect(Math.abs(each - sign * expected[i])).toBeLessThan(2e-3));
    }
    expect(values[1]).toBeGreaterThan(1.1 * values[2]);
  });

  it.each([1, 2])('is finite for %d centers, in spaces of one dimension too', (count) => {
    for (const size of [1, D]) {
      const rows = centers.slice(0, count).map((row) => row.slice(0, size));
      const { points, centers: placed } = plotOf(rows, embeddings.slice(0, 2 * size));
      for (const place of [...points, ...placed]) expect(place.every(Number.isFinite)).toBe(true);
    }
  });

  it('keeps distances between two centers', () => {
    const [a, b] = plotOf(centers.slice(0, 2)).centers;
    const between = Math.hypot(...centers[0].map((value, d) => value - centers[1][d]));
    expect(Math.hypot(a[0] - b[0], a[1] - b[1])).toBeCloseTo(between, 2);
  });
});
