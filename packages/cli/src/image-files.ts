import { readdirSync, statSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { InputError, messageOf, readInputFile } from '@retort/core';
import sharp from 'sharp';

const extensions = ['.jpg', '.jpeg', '.png', '.webp'];

/** Image files below a folder, sorted by name, relative to it, with `/` between folders. @throws InputError when there is none */
export function imageFiles(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new InputError(`no such folder: ${folder}`);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extensions.includes(extname(entry.name).toLowerCase()))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
  if (files.length === 0) throw new InputError(`${folder} holds no images (${extensions.join(', ')})`);
  return files;
}

/**
 * [height, width, 3] bytes as the data set `image-folder` decodes them: upright, scaled to cover, center kept.
 *
 * @throws InputError that names the file
 */
export async function decodeImage(file: string, height: number, width: number): Promise<Uint8Array> {
  const bytes = await readInputFile(file);
  try {
    return await sharp(bytes)
      .autoOrient()
      .resize(width, height, { fit: 'cover' })
      .flatten()
      .toColourspace('srgb')
      .raw()
      .toBuffer();
  } catch (error) {
    throw new InputError(`cannot decode the image ${file}: ${messageOf(error)}`, { cause: error });
  }
}
