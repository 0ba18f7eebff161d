import { InputError, type Picture } from '@retort/core';
import sharp from 'sharp';

/** A picture as PNG, without loss. */
export async function encodePng({ width, height, data }: Picture): Promise<Uint8Array> {
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/**
 * Pictures as a GIF that plays forever.
 *
 * @param framesPerSecond at most 50: browsers slow down what is faster
 * @throws InputError when there are none, or of different sizes
 */
export async function encodeGif(pictures: readonly Picture[], framesPerSecond = 25): Promise<Uint8Array> {
  if (pictures.length === 0) throw new InputError('a GIF needs at least one picture');
  const { width, height } = pictures[0];
  const other = pictures.find((picture) => picture.width !== width || picture.height !== height);
  if (other) {
    throw new InputError(`pictures of ${width} × ${height} and ${other.width} × ${other.height} pixels in one GIF`);
  }
  const frame = width * height * 3;
  const data = new Uint8Array(frame * pictures.length);
  pictures.forEach((picture, i) => data.set(picture.data, i * frame));
  return await sharp(data, { raw: { width, height: height * pictures.length, channels: 3, pageHeight: height } })
    // Every frame whole, also one like the frame before, so that steps and frames correspond.
    .gif({ delay: pictures.map(() => Math.round(1000 / framesPerSecond)), loop: 0, keepDuplicateFrames: true })
    .toBuffer();
}
