import { Random } from '@retort/core';
import {
  autoContrast,
  brightness,
  color,
  contrast,
  equalize,
  posterize,
  rotate,
  sharpness,
  shearX,
  shearY,
  solarize,
  translate,
  type Canvas,
} from './image-operations.js';

/** A canvas of the given values; outside it is (1, 2, 3). */
function canvasOf(pixels: ArrayLike<number>, height: number, width: number): Canvas {
  return {
    pixels: Uint8ClampedArray.from(pixels),
    scratch: new Uint8ClampedArray(pixels.length),
    height,
    width,
    fill: [1, 2, 3],
  };
}

/** A canvas whose three channels are the same, outside (9, 9, 9). */
function grayCanvas(rows: number[][]): Canvas {
  const pixels = rows.flat().flatMap((value) => [value, value, value]);
  return { ...canvasOf(pixels, rows.length, rows[0].length), fill: [9, 9, 9] };
}

/** The rows of the red channel. */
function rowsOf({ pixels, height, width }: Canvas): number[][] {
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => pixels[(y * width + x) * 3]));
}

function after(rows: number[][], operation: (canvas: Canvas) => void): number[][] {
  const canvas = grayCanvas(rows);
  operation(canvas);
  // Gray stays gray, whatever is done to it.
  for (let i = 0; i < canvas.pixels.length; i++) expect(canvas.pixels[i]).toBe(canvas.pixels[i - (i % 3)]);
  return rowsOf(canvas);
}

const numbered = [
  [10, 20, 30],
  [40, 50, 60],
  [70, 80, 90],
];

function randomCanvas(height: number, width: number): Canvas {
  const random = new Random([3, 4]);
  return canvasOf(
    Uint8Array.from({ length: height * width * 3 }, () => random.integer(256)),
    height,
    width,
  );
}

describe('autoContrast', () => {
  it('stretches each channel by itself', () => {
    // Red 50 to 150: 255 (v - 50) / 100. Green is constant. Blue is stretched already.
    const canvas = canvasOf([50, 7, 0, 70, 7, 255, 150, 7, 100], 1, 3);
    autoContrast(canvas);
    expect([...canvas.pixels]).toEqual([0, 7, 0, 51, 7, 255, 255, 7, 100]);
  });
});

describe('equalize', () => {
  it('gives a value the share of the pixels that are darker', () => {
    // 4 is darker than none, 5 than two of them, 200 than three: of three that are not brightest.
    expect(
      after(
        [
          [4, 5],
          [4, 200],
        ],
        equalize,
      ),
    ).toEqual([
      [0, 170],
      [0, 255],
    ]);
    expect(after([[0, 0, 0, 1, 2, 3]], equalize)).toEqual([[0, 0, 0, 153, 204, 255]]);
    expect(after([[77, 77]], equalize)).toEqual([[77, 77]]);
  });

  it('leaves evenly distributed values as they are', () => {
    const all = Array.from({ length: 16 }, (_, y) => Array.from({ length: 16 }, (_, x) => 16 * y + x));
    expect(after(all, equalize)).toEqual(all);
  });
});

describe('solarize', () => {
  it('inverts from the threshold on', () => {
    expect(after([[0, 127, 128, 255]], (canvas) => solarize(canvas, 128))).toEqual([[0, 127, 127, 0]]);
    expect(after([[0, 127, 128, 255]], (canvas) => solarize(canvas, 256))).toEqual([[0, 127, 128, 255]]);
  });
});

describe('posterize', () => {
  it('keeps the upper bits', () => {
    const values = [[0b10110111, 0b01011010, 255, 15]];
    expect(after(values, (canvas) => posterize(canvas, 4))).toEqual([[0b10110000, 0b01010000, 240, 0]]);
    expect(after(values, (canvas) => posterize(canvas, 7))).toEqual([[0b10110110, 0b01011010, 254, 14]]);
    expect(after(values, (canvas) => posterize(canvas, 8))).toEqual(values);
  });
});

describe('color', () => {
  it('moves channels away from their gray or towards it', () => {
    // Gray is 0.299 * 100 + 0.587 * 200 + 0.114 * 50 = 153.
    for (const [factor, expected] of [
      [0, [153, 153, 153]],
      [0.6, [121, 181, 91]],
      [1, [100, 200, 50]],
      [2, [47, 247, 0]],
    ] as const) {
      const canvas = canvasOf([100, 200, 50], 1, 1);
      color(canvas, factor);
      expect([...canvas.pixels]).toEqual(expected);
    }
  });
});

describe('contrast', () => {
  it('moves values away from the mean gray or towards it', () => {
    // The mean is 50.
    expect(after(numbered, (canvas) => contrast(canvas, 0))).toEqual(Array(3).fill([50, 50, 50]));
    expect(after(numbered, (canvas) => contrast(canvas, 1.5))).toEqual([
      [0, 5, 20],
      [35, 50, 65],
      [80, 95, 110],
    ]);
    // Mean of the luma, not of the channels: red 255 counts 76.245.
    const red = canvasOf([255, 0, 0], 1, 1);
    contrast(red, 0);
    expect([...red.pixels]).toEqual([76, 76, 76]);
  });
});

describe('brightness', () => {
  it('multiplies', () => {
    expect(after([[0, 10, 100, 200]], (canvas) => brightness(canvas, 1.9))).toEqual([[0, 19, 190, 255]]);
    expect(after([[0, 10, 100, 200]], (canvas) => brightness(canvas, 0.1))).toEqual([[0, 1, 10, 20]]);
  });
});

describe('sharpness', () => {
  const spot = [
    [0, 0, 0],
    [0, 130, 0],
    [0, 0, 26],
  ];
  it('smooths below 1 and sharpens above, but for the outermost pixels', () => {
    // The center smoothed: (5 * 130 + 26) / 13 = 52.
    const middle = (factor: number) => after(spot, (canvas) => sharpness(canvas, factor));
    expect(middle(0)).toEqual([
      [0, 0, 0],
      [0, 52, 0],
      [0, 0, 26],
    ]);
    expect(middle(0.5)[1][1]).toBe(91);
    expect(middle(1)).toEqual(spot);
    expect(middle(1.5)[1][1]).toBe(169);
  });

  it('smooths with the source, not with what it has smoothed', () => {
    // Both inner pixels see the same: (5 * 130 + 130) / 13 = 60.
    const pair = [
      [0, 0, 0, 0],
      [0, 130, 130, 0],
      [0, 0, 0, 0],
    ];
    expect(after(pair, (canvas) => sharpness(canvas, 0))[1]).toEqual([0, 60, 60, 0]);
  });
});

describe('translate', () => {
  it('moves by whole pixels exactly', () => {
    expect(after(numbered, (canvas) => translate(canvas, 1, 0))).toEqual([
      [20, 30, 9],
      [50, 60, 9],
      [80, 90, 9],
    ]);
    expect(after(numbered, (canvas) => translate(canvas, -2, 0))).toEqual([
      [9, 9, 10],
      [9, 9, 40],
      [9, 9, 70],
    ]);
    expect(after(numbered, (canvas) => translate(canvas, 0, 1))).toEqual([
      [40, 50, 60],
      [70, 80, 90],
      [9, 9, 9],
    ]);
    expect(after(numbered, (canvas) => translate(canvas, 3, 0))).toEqual(Array(3).fill([9, 9, 9]));
  });

  it('blends for parts of a pixel, with the color outside at the edge', () => {
    expect(after([[10, 20, 31]], (canvas) => translate(canvas, 0.5, 0))).toEqual([[15, 26, 20]]);
    const canvas = canvasOf([200, 100, 0], 1, 1);
    translate(canvas, 0.25, 0);
    // Three parts of the pixel, one of (1, 2, 3).
    expect([...canvas.pixels]).toEqual([150, 76, 1]);
  });
});

describe('shear', () => {
  it('moves rows by their distance from the top, columns by theirs from the left', () => {
    // Centers of rows lie 0.5, 1.5 and 2.5 below the top: by a slope of 2 they move 1, 3 and 5 pixels.
    expect(after(numbered, (canvas) => shearX(canvas, 2))).toEqual([
      [20, 30, 9],
      [9, 9, 9],
      [9, 9, 9],
    ]);
    expect(after(numbered, (canvas) => shearX(canvas, -2))).toEqual([
      [9, 10, 20],
      [9, 9, 9],
      [9, 9, 9],
    ]);
    expect(after(numbered, (canvas) => shearY(canvas, 2))).toEqual([
      [40, 9, 9],
      [70, 9, 9],
      [9, 9, 9],
    ]);
    // A slope of a third: 1/6, 1/2 and 5/6 of a pixel.
    expect(
      after(
        [
          [0, 60, 120],
          [0, 60, 120],
          [0, 60, 120],
        ],
        (canvas) => shearX(canvas, 1 / 3),
      ).map(([x]) => x),
    ).toEqual([10, 30, 50]);
  });
});

describe('rotate', () => {
  it('turns counterclockwise about the center', () => {
    const quarter = after(numbered, (canvas) => rotate(canvas, Math.PI / 2));
    expect(quarter).toEqual([
      [30, 60, 90],
      [20, 50, 80],
      [10, 40, 70],
    ]);
    expect(after(numbered, (canvas) => rotate(canvas, -Math.PI))).toEqual([
      [90, 80, 70],
      [60, 50, 40],
      [30, 20, 10],
    ]);
  });

  it('blends between pixels and with the color outside', () => {
    // By 45 degrees: the corner's place in the source is √2 above the center, 0.4142 of a pixel beyond the middle of the top row.
    const turned = after(numbered, (canvas) => rotate(canvas, Math.PI / 4));
    const beyond = Math.SQRT2 - 1;
    expect(turned[1][1]).toBe(50);
    expect(turned[0][2]).toBe(Math.round(60 + beyond * (9 - 60)));
    expect(turned[0][0]).toBe(Math.round(20 + beyond * (9 - 20)));
  });
});

describe('operations at their neutral strength', () => {
  const neutral: Record<string, (canvas: Canvas) => void> = {
    rotate: (canvas) => rotate(canvas, 0),
    shearX: (canvas) => shearX(canvas, 0),
    shearY: (canvas) => shearY(canvas, 0),
    translate: (canvas) => translate(canvas, 0, 0),
    solarize: (canvas) => solarize(canvas, 256),
    posterize: (canvas) => posterize(canvas, 8),
    color: (canvas) => color(canvas, 1),
    contrast: (canvas) => contrast(canvas, 1),
    brightness: (canvas) => brightness(canvas, 1),
    sharpness: (canvas) => sharpness(canvas, 1),
  };
  it.each(Object.keys(neutral))('%s changes nothing', (name) => {
    const canvas = randomCanvas(5, 7);
    const before = canvas.pixels.slice();
    neutral[name](canvas);
    expect(canvas.pixels).toEqual(before);
  });
});
