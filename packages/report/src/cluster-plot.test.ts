import { encodeSafetensors } from '@retort/core';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readClusterPlot } from './cluster-plot.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-clusters-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const plot = {
  points: [
    [0, 1],
    [2, -1],
    [2.5, 0],
  ],
  cluster: [0, 1, 1],
  centers: [
    [0, 1],
    [2, 0],
  ],
};
const write = (text: string) => writeFileSync(join(folder, 'clusters-plot.json'), text);

describe('readClusterPlot', () => {
  it('finds nothing where there is nothing', () => {
    expect(readClusterPlot(folder)).toEqual({});
  });

  it('reads a plot with and without labels, and what was clustered', () => {
    write(JSON.stringify(plot));
    expect(readClusterPlot(folder)).toEqual({ plot: { ...plot, whole: undefined } });
    write(JSON.stringify({ ...plot, label: null, classes: [] }));
    expect(readClusterPlot(folder)).toEqual({ plot: { ...plot, whole: undefined } });
    const labels = { label: [1, 0, 0], classes: ['a', 'b'] };
    write(JSON.stringify({ ...plot, ...labels }));
    const assignment = { data: Int32Array.of(0, 1, 1, 0), shape: [4] };
    const centers = { data: new Float32Array(2 * 8), shape: [2, 8] };
    const bytes = encodeSafetensors({ assignment, centers }, { inertia: '1' });
    writeFileSync(join(folder, 'clusters.safetensors'), bytes);
    const whole = { embeddings: 4, size: 8, meanCosine: 0.75 };
    expect(readClusterPlot(folder)).toEqual({ plot: { ...plot, ...labels, whole } });
    writeFileSync(join(folder, 'clusters.safetensors'), bytes.subarray(0, 40));
    expect(readClusterPlot(folder)).toEqual({ plot: { ...plot, ...labels, whole: undefined } });
  });

  it.each([
    ['{"points": [[1, 2]', 'JSON'],
    ['null', '"points" are no list of [x, y]'],
    ['{"points": [[0, null]]}', '"points" are no list of [x, y]'],
    ['{"points": [[0, 1]], "centers": [[0, 1, 2]]}', '"centers" are no list of [x, y]'],
    ['{"points": [[0, 1]], "centers": [[0, 1]], "cluster": [1]}', '"cluster" does not give a center for each point'],
    ['{"points": [[0, 1]], "centers": [[0, 1]], "cluster": []}', '"cluster" does not give a center for each point'],
    [JSON.stringify({ ...plot, label: ['a', 'b', 'c'] }), '"label" does not give a class for each point'],
  ])('tells what is wrong with %s', (text, message) => {
    write(text);
    const { plot: none, problem } = readClusterPlot(folder);
    expect(none).toBeUndefined();
    expect(problem).toMatch(/^the clusters are not drawn: .*clusters-plot\.json: /);
    expect(problem).toContain(message);
  });
});
