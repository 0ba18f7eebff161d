import { confusionMatrix, classWeights, poolMatrix, rowShares, shadeOf } from './heat-map.js';

const name = (index: number) => `c${index}`;
const diagonal = (size: number) =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? 9 : 0)));

describe('confusionMatrix', () => {
  it('is a table of counts, true classes down, shaded by the share of the row', () => {
    const { text } = confusionMatrix(
      [
        [8, 2],
        [0, 0],
      ],
      name,
    );
    const cells = [...text.matchAll(/<td class="h(\d+)">([^<]*)</g)].map((match) => [Number(match[1]), match[2]]);
    // shade 12 · √share: √0.8 · 12 = 10.7, √0.2 · 12 = 5.4
    expect(cells).toEqual([
      [11, '8'],
      [5, '2'],
      [0, ''],
      [0, ''],
    ]);
  });

  it('is a drawing of one path per shade beyond 20 classes', () => {
    const { text } = confusionMatrix(diagonal(100), name);
    const paths = [...text.matchAll(/<path class="h12" d="([^"]*)"/g)];
    expect(paths).toHaveLength(1);
    expect(paths[0][1].match(/M/g)).toHaveLength(100);
    expect(paths[0][1]).toContain('M4.6 4.6h4.6v4.6h-4.6z');
  });

  it('adds up blocks beyond 100 classes and says so', () => {
    const { matrix, block } = poolMatrix(diagonal(250));
    expect(block).toBe(3);
    expect(matrix).toHaveLength(84);
    expect(matrix.flat().reduce((a, b) => a + b)).toBe(250 * 9);
    expect(matrix[83][83]).toBe(9);
    expect(confusionMatrix(diagonal(250), name).text).toContain('3 × 3 classes');
  });
});

it('rowShares divides by the row, and leaves rows without samples at 0', () => {
  expect(
    rowShares([
      [1, 3],
      [0, 0],
    ]),
  ).toEqual([
    [0.25, 0.75],
    [0, 0],
  ]);
});

it('shadeOf shows anything above nothing', () => {
  expect([0, NaN, 1e-6, 0.25, 1, 2].map(shadeOf)).toEqual([0, 0, 1, 6, 12, 12]);
});

describe('classWeights', () => {
  it('shades up to the largest weight; a missing one is a dash', () => {
    const { text } = classWeights(
      [
        [0.2, 0.4],
        [null, 0.1],
      ],
      ['r20', 'vit'],
      name,
      'Logit weights',
    );
    const cells = [...text.matchAll(/<td class="h(\d+)">([^<]*)</g)].map((match) => [Number(match[1]), match[2]]);
    expect(cells).toEqual([
      [6, '0.200'],
      [12, '0.400'],
      [0, '–'],
      [3, '0.100'],
    ]);
  });

  it('has dashes for a class that did not occur', () => {
    const table = classWeights(
      [
        [0, 0],
        [0, 1],
      ],
      ['r20', 'vit'],
      name,
      't',
    ).text;
    expect([...table.matchAll(/<td class="h\d+">([^<]*)</g)].map((match) => match[1])).toEqual([
      '–',
      '–',
      '0.000',
      '1.000',
    ]);
  });

  it('is a strip per teacher beyond 20 classes', () => {
    const { text } = classWeights(
      Array.from({ length: 100 }, (_, i) => [i / 100, 0.5]),
      ['r20', 'vit'],
      name,
      't',
    );
    expect(text.match(/class="strip"/g)).toHaveLength(2);
    expect(text).toMatch(/<td>0\.000<\/td><td>0\.990<\/td>/);
  });
});
