import type { Random } from '@retort/core';
import {
  clamp,
  paintPieces,
  randomColor,
  shapes,
  textures,
  type Color,
  type Piece,
  type Shape,
  type TexturedPiece,
} from './scene.js';

/** Colors by name, far enough apart to be told through jitter and noise. */
const objectColors = {
  red: [0.9, 0.15, 0.15],
  green: [0.15, 0.75, 0.2],
  blue: [0.2, 0.35, 0.95],
  yellow: [0.95, 0.9, 0.15],
  purple: [0.6, 0.2, 0.8],
  orange: [1, 0.55, 0.1],
  white: [0.95, 0.95, 0.95],
  turquoise: [0.2, 0.85, 0.85],
} satisfies Record<string, Color>;

const groundColors = {
  black: [0.05, 0.05, 0.05],
  gray: [0.35, 0.35, 0.35],
  brown: [0.33, 0.2, 0.1],
  navy: [0.06, 0.08, 0.36],
} satisfies Record<string, Color>;

export type ColorName = keyof typeof objectColors;
export type GroundName = keyof typeof groundColors;
export const colorNames = Object.keys(objectColors) as ColorName[];
export const groundNames = Object.keys(groundColors) as GroundName[];

/** How hard named scenes are to read. */
export interface NamedSceneDifficulty {
  /** Deviation of every channel of every pixel, in parts of full brightness. */
  noise: number;
  /** Bars that lie about under the objects, on average. */
  clutter: number;
  /** How far a color may be from the one it is named after, per channel. */
  jitter: number;
  /** Brightness of the ink in parts of the object's. */
  ink: number;
  /** Greatest rotation either way, in radians. */
  rotation: number;
  /** Chance that a further object has the color or the shape of the first. */
  lookalikes: number;
}

/** An object and what is true of it. */
export interface NamedObject extends TexturedPiece {
  shape: Shape;
  colorName: ColorName;
  /** The first object of a scene alone is large; the others are small and plain. */
  isLarge: boolean;
  /** 0 to 2, from the left. */
  column: number;
  /** 0 to 2, from the top. */
  row: number;
}

/** Everything that is in an image, before its pixels. */
export interface NamedScene {
  /** The large one first. They do not overlap, lie wholly inside the image, and no two have both color and shape in common. */
  objects: NamedObject[];
  ground: GroundName;
  /** Colors of the top left and bottom right corners. */
  background: [Color, Color];
  clutter: Piece[];
  noise: number;
}

/** In parts of the image's size: radii, distance of the outer cells' centers from the middle, and shift from those either way. */
const sizes = {
  large: { radius: [0.2, 0.24], reach: 0.24, shift: 0.02 },
  small: { radius: [0.1, 0.13], reach: 0.33, shift: 0.03 },
} as const;

/**
 * Draws a scene whose first object is of a class: number = 3 · shape + texture, as in {@link sceneClasses}. Everything else about
 * it says nothing of the class.
 *
 * @param count fewest and most objects, at most 3
 */
export function composeNamedScene(
  random: Random,
  label: number,
  size: number,
  [fewest, most]: readonly [number, number],
  difficulty: NamedSceneDifficulty,
): NamedScene {
  const between = (low: number, high: number) => low + (high - low) * random.uniform();
  const pick = <T>(items: readonly T[]) => items[random.integer(items.length)];
  const jittered = ([r, g, b]: Color, by: number) => [r, g, b].map((c) => clamp(c + between(-by, by))) as Color;

  /** An object at a cell, small and plain unless it is the first. */
  function draw(
    named: Pick<NamedObject, 'shape' | 'texture' | 'colorName' | 'isLarge' | 'column' | 'row'>,
  ): NamedObject {
    const { radius: range, reach, shift } = named.isLarge ? sizes.large : sizes.small;
    const radius = size * between(range[0], range[1]);
    const place = (cell: number) => size * (0.5 + (cell - 1) * reach + between(-shift, shift));
    const color = jittered(objectColors[named.colorName], difficulty.jitter);
    return {
      ...named,
      x: place(named.column),
      y: place(named.row),
      radius,
      angle: between(-difficulty.rotation, difficulty.rotation),
      color,
      ink: color.map((c) => c * difficulty.ink) as Color,
      period: radius * between(0.5, 0.7),
      phase: random.uniform(),
    };
  }

  const first = draw({
    shape: shapes[Math.floor(label / textures.length)],
    texture: textures[label % textures.length],
    colorName: pick(colorNames),
    isLarge: true,
    column: random.integer(3),
    row: random.integer(3),
  });
  const objects = [first];
  const count = fewest + random.integer(most - fewest + 1);
  // Some cell is always far enough from the first: a corner when that is in the middle, else one of the other side.
  for (const cell of random.shuffle(Array.from({ length: 9 }, (_, i) => i))) {
    if (objects.length === count) break;
    const object = draw({
      ...namesBeside(objects, difficulty.lookalikes, random),
      texture: 'plain',
      isLarge: false,
      column: cell % 3,
      row: Math.floor(cell / 3),
    });
    const touches = ({ x, y, radius }: Piece) => Math.hypot(x - object.x, y - object.y) < radius + object.radius;
    if (!objects.some(touches)) objects.push(object);
  }

  const ground = pick(groundNames);
  const corner = jittered(groundColors[ground], difficulty.jitter / 3);
  return {
    objects,
    ground,
    background: [corner, jittered(corner, 0.05)],
    clutter: Array.from({ length: random.integer(2 * difficulty.clutter + 1) }, () => ({
      x: between(0, size),
      y: between(0, size),
      radius: size * between(0.04, 0.1),
      angle: between(0, Math.PI),
      shape: 'bar',
      color: randomColor(random),
    })),
    noise: difficulty.noise,
  };
}

/** Color and shape of a further object: another pair than those of all before it. */
function namesBeside(
  objects: NamedObject[],
  lookalikes: number,
  random: Random,
): Pick<NamedObject, 'colorName' | 'shape'> {
  const isAlike = random.uniform() < lookalikes;
  const hasItsColor = random.integer(2) === 0;
  for (;;) {
    const drawn = {
      colorName: colorNames[random.integer(colorNames.length)],
      shape: shapes[random.integer(shapes.length)],
    };
    if (isAlike && hasItsColor) drawn.colorName = objects[0].colorName;
    if (isAlike && !hasItsColor) drawn.shape = objects[0].shape;
    if (!objects.some(({ colorName, shape }) => colorName === drawn.colorName && shape === drawn.shape)) return drawn;
  }
}

/**
 * Paints a scene.
 *
 * @param random the noise
 * @returns [size, size, 3] bytes
 */
export function paintNamedScene(scene: NamedScene, size: number, random: Random): Uint8Array {
  return paintPieces({ ...scene, pieces: [...scene.clutter, ...scene.objects] }, size, random);
}

/** Left, top, right, bottom of a mask's pixels, in pixels. */
export function boxOf(mask: Uint8Array, size: number): [number, number, number, number] {
  let [left, top, right, bottom] = [size, size, 0, 0];
  mask.forEach((inside, i) => {
    if (inside === 0) return;
    const [column, row] = [i % size, Math.floor(i / size)];
    left = Math.min(left, column);
    right = Math.max(right, column + 1);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row + 1);
  });
  return [left, top, right, bottom];
}
