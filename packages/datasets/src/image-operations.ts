/** An image that is changed in place. Values written to `pixels` are rounded and kept within a byte. */
export interface Canvas {
  /** [H, W, 3]. */
  pixels: Uint8ClampedArray;
  /** As long as `pixels`; holds nothing between operations. */
  scratch: Uint8ClampedArray;
  height: number;
  width: number;
  /** Color, 0 to 255, of what comes in from outside the image. */
  fill: readonly number[];
}

/** Stretches every channel from its least and greatest value to 0 and 255; one of a single value stays. */
export function autoContrast({ pixels }: Canvas): void {
  for (let c = 0; c < 3; c++) {
    let [low, high] = [255, 0];
    for (let i = c; i < pixels.length; i += 3) {
      if (pixels[i] < low) low = pixels[i];
      if (pixels[i] > high) high = pixels[i];
    }
    if (high > low) lookUp(pixels, c, (value) => ((value - low) * 255) / (high - low));
  }
}

/**
 * Makes every channel's values as evenly distributed as can be: a value becomes the share of pixels that are darker, and the
 * greatest 255. A channel of a single value stays.
 */
export function equalize({ pixels }: Canvas): void {
  const counts = new Uint32Array(256);
  const darker = new Uint32Array(256);
  for (let c = 0; c < 3; c++) {
    counts.fill(0);
    let high = 0;
    for (let i = c; i < pixels.length; i += 3) {
      counts[pixels[i]]++;
      if (pixels[i] > high) high = pixels[i];
    }
    for (let value = 1; value < 256; value++) darker[value] = darker[value - 1] + counts[value - 1];
    if (darker[high] > 0) lookUp(pixels, c, (value) => (255 * darker[value]) / darker[high]);
  }
}

/** Inverts what is at least `threshold`; nothing at 256. */
export function solarize({ pixels }: Canvas, threshold: number): void {
  for (let i = 0; i < pixels.length; i++) if (pixels[i] >= threshold) pixels[i] = 255 - pixels[i];
}

/** Keeps the upper bits of every value; all at 8. */
export function posterize({ pixels }: Canvas, bits: number): void {
  const mask = (255 << (8 - bits)) & 255;
  for (let i = 0; i < pixels.length; i++) pixels[i] &= mask;
}

/** Saturation: 0 gives gray (ITU-R BT.601 luma), 1 the image. */
export function color({ pixels }: Canvas, factor: number): void {
  for (let i = 0; i < pixels.length; i += 3) {
    const gray = luma(pixels, i);
    pixels[i] = gray + (pixels[i] - gray) * factor;
    pixels[i + 1] = gray + (pixels[i + 1] - gray) * factor;
    pixels[i + 2] = gray + (pixels[i + 2] - gray) * factor;
  }
}

/** 0 gives the image's mean luma everywhere, 1 the image. */
export function contrast({ pixels }: Canvas, factor: number): void {
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 3) sum += luma(pixels, i);
  const mean = sum / (pixels.length / 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = mean + (pixels[i] - mean) * factor;
}

/** 0 gives black, 1 the image. */
export function brightness({ pixels }: Canvas, factor: number): void {
  for (let i = 0; i < pixels.length; i++) pixels[i] = pixels[i] * factor;
}

/** 0 gives the image smoothed by a 3 x 3 mean in which the center counts five times, 1 the image; the outermost pixels stay. */
export function sharpness({ pixels, scratch, height, width }: Canvas, factor: number): void {
  scratch.set(pixels);
  const row = width * 3;
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + 3; i < (y + 1) * row - 3; i++) {
      const around =
        scratch[i - row - 3] +
        scratch[i - row] +
        scratch[i - row + 3] +
        scratch[i - 3] +
        scratch[i + 3] +
        scratch[i + row - 3] +
        scratch[i + row] +
        scratch[i + row + 3];
      const smooth = (around + 5 * scratch[i]) / 13;
      pixels[i] = smooth + (scratch[i] - smooth) * factor;
    }
  }
}

/** Turns the image about its center, counterclockwise as it is looked at. @param angle radians */
export function rotate(canvas: Canvas, angle: number): void {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [canvas.width / 2, canvas.height / 2];
  transform(canvas, [cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]);
}

/** Moves every row to the left by `slope` times its distance from the top edge. */
export function shearX(canvas: Canvas, slope: number): void {
  transform(canvas, [1, slope, 0], [0, 1, 0]);
}

/** Moves every column up by `slope` times its distance from the left edge. */
export function shearY(canvas: Canvas, slope: number): void {
  transform(canvas, [1, 0, 0], [slope, 1, 0]);
}

/** Moves the image to the left and up by whole or broken numbers of pixels. */
export function translate(canvas: Canvas, left: number, up: number): void {
  transform(canvas, [1, 0, left], [0, 1, up]);
}

/**
 * Gives every pixel the color that stands, bilinearly, at its place in the source: (a x + b y + c, d x + e y + f). Places are
 * measured from the upper left corner, the center of the first pixel is (0.5, 0.5).
 */
function transform(
  { pixels, scratch, height, width, fill }: Canvas,
  [a, b, c]: readonly [number, number, number],
  [d, e, f]: readonly [number, number, number],
): void {
  scratch.set(pixels);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 3) {
      const u = a * (x + 0.5) + b * (y + 0.5) + c - 0.5;
      const v = d * (x + 0.5) + e * (y + 0.5) + f - 0.5;
      const left = Math.floor(u);
      const top = Math.floor(v);
      const across = u - left;
      const down = v - top;
      const hasLeft = left >= 0 && left < width;
      const hasRight = left >= -1 && left < width - 1;
      const hasTop = top >= 0 && top < height;
      const hasBottom = top >= -1 && top < height - 1;
      const from = (top * width + left) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const i = from + channel;
        const outside = fill[channel];
        const topLeft = hasTop && hasLeft ? scratch[i] : outside;
        const topRight = hasTop && hasRight ? scratch[i + 3] : outside;
        const bottomLeft = hasBottom && hasLeft ? scratch[i + width * 3] : outside;
        const bottomRight = hasBottom && hasRight ? scratch[i + width * 3 + 3] : outside;
        const upper = topLeft + (topRight - topLeft) * across;
        const lower = bottomLeft + (bottomRight - bottomLeft) * across;
        pixels[to + channel] = upper + (lower - upper) * down;
      }
    }
  }
}

/** Replaces the values of a channel, each by what it maps to. */
function lookUp(pixels: Uint8ClampedArray, channel: number, map: (value: number) => number): void {
  const table = new Uint8ClampedArray(256);
  for (let value = 0; value < 256; value++) table[value] = map(value);
  for (let i = channel; i < pixels.length; i += 3) pixels[i] = table[pixels[i]];
}

function luma(pixels: Uint8ClampedArray, i: number): number {
  return 0.299 * pixels[i] + 0.587 * pixels[i + 1] + 0.114 * pixels[i + 2];
}
