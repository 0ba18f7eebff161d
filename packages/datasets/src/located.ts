import type { HostTensor } from '@retort/core';
import type { Cut } from './cut.js';

/** Where something is in an image. */
export interface Located {
  /** Left, top, right, bottom, in pixels, inside the image. */
  box: readonly [number, number, number, number];
  /** [H, W]: 1 where it is. */
  mask?: Uint8Array;
}

/** The same in a cut that leaves the box inside and does not mirror. */
export function shiftLocated(
  { box: [left, top, right, bottom], mask }: Located,
  { down, right: across }: Cut,
  [height, width]: readonly number[],
): Located {
  const box = [left - across, top - down, right - across, bottom - down] as const;
  if (!mask) return { box };
  const shifted = new Uint8Array(mask.length);
  for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
    for (let x = Math.max(0, -across); x < Math.min(width, width - across); x++) {
      shifted[y * width + x] = mask[(y + down) * width + x + across];
    }
  }
  return { box, mask: shifted };
}

/** Boxes [B, 4] in parts of width and height, and masks [B, H, W] where there are any. */
export function locatedTensors(
  located: readonly Located[],
  [height, width]: readonly number[],
): { box: HostTensor; mask?: HostTensor } {
  const sides = [width, height, width, height];
  const box = Float32Array.from(located.flatMap((each) => each.box.map((value, i) => value / sides[i])));
  const masks = located.flatMap(({ mask }) => mask ?? []);
  const data = new Uint8Array(masks.length * height * width);
  masks.forEach((mask, i) => data.set(mask, i * height * width));
  return {
    box: { data: box, shape: [located.length, 4] },
    ...(masks.length > 0 && { mask: { data, shape: [located.length, height, width] } }),
  };
}
