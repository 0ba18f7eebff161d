import type { Random } from '@retort/core';

// Looked up once: in a vm context, where tests run, finding a global takes far longer than the arithmetic.
const { abs, hypot, max, min, round } = Math;

/** Class number = 3 · shape + texture. */
export const shapes = ['disc', 'triangle', 'cross', 'square'] as const;
export const textures = ['plain', 'striped', 'dotted'] as const;

export type Shape = (typeof shapes)[number];
export type Texture = (typeof textures)[number];
export type Color = [number, number, number];

/** Class names in label order: "plain disc", "striped disc" … */
export const sceneClasses = shapes.flatMap((shape) => textures.map((texture) => `${texture} ${shape}`));

/** How hard scenes are to read. */
export interface SceneDifficulty {
  /** Deviation of every channel of every pixel, in parts of full brightness. */
  noise: number;
  /** Pieces that lie about, on average. */
  clutter: number;
  /** Widest strip that covers the object, in parts of its radius; 0 for none. */
  occlusion: number;
  /** Gap between the brightness of the object and that of the background and the object's ink. */
  contrast: number;
  /** Greatest rotation either way, in radians. */
  rotation: number;
  /** Radius of the object's circumscribed circle in parts of the image's size: least and greatest. */
  radius: [number, number];
}

/** A colored piece in the plane; lengths in pixels, angles in radians. */
export interface Piece {
  x: number;
  y: number;
  radius: number;
  angle: number;
  shape: Shape | 'bar';
  color: Color;
}

/** A piece whose color is mixed with ink. */
export interface TexturedPiece extends Piece {
  texture: Texture;
  ink: Color;
  period: number;
  phase: number;
}

/** Everything that is in an image, before its pixels. */
export interface Scene {
  object: TexturedPiece;
  /** Colors of the top left and bottom right corners; between them a straight blend. */
  background: [Color, Color];
  clutter: Piece[];
  /** A strip across the object, drawn last. */
  occluder: Piece | undefined;
  noise: number;
}

/** Draws what is in a scene of a class: place, size, rotation and colors say nothing about the class. */
export function composeScene(random: Random, label: number, size: number, difficulty: SceneDifficulty): Scene {
  const between = (low: number, high: number) => low + (high - low) * random.uniform();
  const radius = size * between(...difficulty.radius);
  const margin = 0.8 * radius;
  const object = {
    x: between(margin, size - margin),
    y: between(margin, size - margin),
    radius,
    angle: between(-difficulty.rotation, difficulty.rotation),
    shape: shapes[Math.floor(label / textures.length)],
    texture: textures[label % textures.length],
    period: radius * between(0.5, 0.7),
    phase: random.uniform(),
  };
  // Light on dark, with ink as dark as the background.
  const dark = (1 - difficulty.contrast) / 2;
  const [ground, ink] = [randomColor(random, 0, dark), randomColor(random, 0, dark)];
  const color = randomColor(random, 1 - dark, 1);

  const pieces = random.integer(2 * difficulty.clutter + 1);
  const clutter = Array.from({ length: pieces }, (): Piece => ({
    x: between(0, size),
    y: between(0, size),
    radius: size * between(0.05, 0.16),
    angle: between(0, 2 * Math.PI),
    shape: ([...shapes, 'bar'] as const)[random.integer(shapes.length + 1)],
    color: randomColor(random),
  }));
  const occluder: Piece | undefined =
    difficulty.occlusion > 0
      ? {
          x: object.x + between(-0.6, 0.6) * radius,
          y: object.y + between(-0.6, 0.6) * radius,
          // A bar is a fifth as wide as it is long, and its length is twice its radius.
          radius: 2.5 * radius * difficulty.occlusion * between(0.3, 1),
          angle: between(0, Math.PI),
          shape: 'bar',
          color: randomColor(random),
        }
      : undefined;
  return {
    object: { ...object, color, ink },
    background: [ground, ground.map((c) => clamp(c + between(-0.2, 0.2))) as Color],
    clutter,
    occluder,
    noise: difficulty.noise,
  };
}

/**
 * Paints a scene, anti-aliased by signed distances.
 *
 * @param random the noise
 * @returns [size, size, 3] bytes
 */
export function paintScene(scene: Scene, size: number, random: Random): Uint8Array {
  const { clutter, object, occluder } = scene;
  return paintPieces({ ...scene, pieces: [...clutter, object, ...(occluder ? [occluder] : [])] }, size, random);
}

/** {@link paintScene} for any pieces, the later ones over the earlier ones. */
export function paintPieces(
  {
    background: [from, to],
    pieces,
    noise,
  }: { background: [Color, Color]; pieces: (Piece | TexturedPiece)[]; noise: number },
  size: number,
  random: Random,
): Uint8Array {
  const canvas = new Float32Array(size * size * 3);
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const blend = (x + y) / (2 * size - 2);
      for (let c = 0; c < 3; c++) canvas[i++] = from[c] + (to[c] - from[c]) * blend;
    }
  }
  for (const piece of pieces) {
    if ('ink' in piece) paintPiece(canvas, size, piece, (u, v) => inkAt(piece, u, v), piece.ink);
    else paintPiece(canvas, size, piece, () => 0, piece.color);
  }
  return toBytes(canvas, noise, random);
}

/** Blends a piece over the canvas; `ink(u, v)` in [0, 1] mixes a second color in at a place in the piece's own frame. */
function paintPiece(
  canvas: Float32Array,
  size: number,
  { x, y, radius, angle, shape, color }: Piece,
  ink: (u: number, v: number) => number,
  inkColor: Color,
): void {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [left, right] = [max(0, Math.floor(x - radius - 1)), min(size - 1, Math.ceil(x + radius + 1))];
  const [top, bottom] = [max(0, Math.floor(y - radius - 1)), min(size - 1, Math.ceil(y + radius + 1))];
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const [dx, dy] = [column + 0.5 - x, row + 0.5 - y];
      const [u, v] = [cos * dx + sin * dy, cos * dy - sin * dx];
      const coverage = clamp(0.5 - signedDistance(shape, u, v, radius));
      if (coverage === 0) continue;
      const mix = ink(u, v);
      const i = (row * size + column) * 3;
      for (let c = 0; c < 3; c++) {
        canvas[i + c] += coverage * (color[c] + (inkColor[c] - color[c]) * mix - canvas[i + c]);
      }
    }
  }
}

/** Pixels outside (positive) or inside (negative) a shape around the origin whose circumscribed circle has the radius. */
export function signedDistance(shape: Shape | 'bar', u: number, v: number, radius: number): number {
  switch (shape) {
    case 'disc':
      // The others lose their corners: the disc is smaller than its circle to be of about their area.
      return hypot(u, v) - 0.8 * radius;
    case 'square':
      return max(abs(u), abs(v)) - Math.SQRT1_2 * radius;
    case 'triangle':
      return max(v, abs(u) * SIN_60 - v * 0.5) - 0.5 * radius;
    case 'cross': {
      const [long, short] = [max(abs(u), abs(v)), min(abs(u), abs(v))];
      return max(long - 0.95 * radius, short - 0.3 * radius);
    }
    case 'bar':
      return max(abs(u) - radius, abs(v) - 0.2 * radius);
  }
}

const SIN_60 = Math.sqrt(3) / 2;

/** Share of ink in an object's texture: stripes along u, dots on a square lattice. */
function inkAt({ texture, period, phase }: TexturedPiece, u: number, v: number): number {
  if (texture === 'plain') return 0;
  // Distances from the nearest line of the lattice, in pixels.
  const du = abs(u / period + phase - round(u / period + phase)) * period;
  if (texture === 'striped') return clamp(0.5 + period / 4 - du);
  const dv = abs(v / period - round(v / period)) * period;
  return clamp(0.5 + 0.38 * period - hypot(du, dv));
}

/** Adds noise, uniform and with the given deviation, and rounds. */
function toBytes(canvas: Float32Array, noise: number, random: Random): Uint8Array {
  const bytes = new Uint8Array(canvas.length);
  // A uniform byte has mean 127.5 and variance (256² − 1) / 12.
  const scale = (255 * noise) / Math.sqrt((256 ** 2 - 1) / 12);
  let bits = 0;
  for (let i = 0; i < canvas.length; i++) {
    // One draw has the bytes of four channels.
    bits = i % 4 === 0 && noise > 0 ? random.bits() : bits >>> 8;
    const value = canvas[i] * 255 + scale * ((bits & 255) - 127.5);
    bytes[i] = max(0, min(255, round(value)));
  }
  return bytes;
}

/** [size, size]: 1 where a pixel's center is inside the piece. */
export function maskOf({ x, y, radius, angle, shape }: Piece, size: number): Uint8Array {
  const mask = new Uint8Array(size * size);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  for (let row = 0, i = 0; row < size; row++) {
    for (let column = 0; column < size; column++, i++) {
      const [dx, dy] = [column + 0.5 - x, row + 0.5 - y];
      if (signedDistance(shape, cos * dx + sin * dy, cos * dy - sin * dx, radius) <= 0) mask[i] = 1;
    }
  }
  return mask;
}

export function randomColor(random: Random, low = 0, high = 1): Color {
  const channel = () => low + (high - low) * random.uniform();
  return [channel(), channel(), channel()];
}

export function clamp(value: number): number {
  return max(0, min(1, value));
}
