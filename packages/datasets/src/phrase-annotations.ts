import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, messageOf, readInputFile, z } from '@retort/core';
import { XMLParser } from 'fast-xml-parser';
import { inGroups } from './image-files.js';

/** An object in an image, and the phrase that names it. */
export interface PhrasedObject {
  /** File name of its image. */
  image: string;
  /** Of the image, in pixels. */
  width: number;
  height: number;
  phrase: string;
  /** Left, top, right, bottom, in pixels. */
  box: [number, number, number, number];
  /** File and object, for errors: `00012.xml: object 2 (ship)`. */
  entry: string;
}

const number = z
  .string()
  .regex(/^\s*[-+]?\d+(\.\d+)?\s*$/, { error: 'expected a number' })
  .transform(Number);

const annotationFile = z.object({
  annotation: z.object({
    filename: z.string().trim().min(1),
    size: z.object({ width: number, height: number }),
    object: z
      .array(
        z.object({
          name: z.string().optional(),
          bndbox: z.object({ xmin: number, ymin: number, xmax: number, ymax: number }),
          description: z.string(),
        }),
      )
      .default([]),
  }),
});

const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'object' });

/**
 * Reads annotations in VOC's XML whose objects have a `description`, the phrase, as DIOR-RSVG's do. Coordinates of boxes are taken
 * as places, from 0 on the left to the width on the right, as DIOR-RSVG's authors do.
 *
 * @returns the objects of all files, by file name, then in the order of the file
 * @throws InputError naming file and object
 */
export async function readPhrasedObjects(folder: string, where: string): Promise<PhrasedObject[]> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith('.xml') && !name.startsWith('.')).sort();
  } catch (error) {
    throw new InputError(`cannot read the folder ${folder}: ${messageOf(error)}`, { where, cause: error });
  }
  if (names.length === 0) throw new InputError(`no .xml files in ${folder}`, { where });
  const files = await inGroups(names, async (name) => {
    const text = (await readInputFile(join(folder, name), { where })).toString('utf8');
    return objectsIn(text, name, where);
  });
  return files.flat();
}

function objectsIn(text: string, file: string, where: string): PhrasedObject[] {
  let value: unknown;
  try {
    value = parser.parse(text, true);
  } catch (error) {
    throw new InputError(`${file} is not XML: ${messageOf(error)}`, { where, cause: error });
  }
  const parsed = annotationFile.safeParse(value);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    // Objects are counted from 1 for people, as in `entry`.
    const place = path.map((key) => (typeof key === 'number' ? String(key + 1) : String(key))).join(' ');
    throw new InputError(`${file}: ${place}: ${message}`, { where });
  }
  const { filename, size, object: objects } = parsed.data.annotation;
  return objects.map(({ name, bndbox: { xmin, ymin, xmax, ymax }, description }, i) => {
    const entry = `${file}: object ${i + 1}${name === undefined ? '' : ` (${name})`}`;
    const box: PhrasedObject['box'] = [xmin, ymin, xmax, ymax];
    if (!(xmin < xmax && ymin < ymax)) throw new InputError(`${entry}: its box ${box.join(', ')} is empty`, { where });
    if (xmin < 0 || ymin < 0 || xmax > size.width || ymax > size.height) {
      throw new InputError(
        `${entry}: its box ${box.join(', ')} reaches outside the image, ${size.width} x ${size.height}`,
        {
          hints: ['boxes are xmin, ymin, xmax, ymax in pixels'],
          where,
        },
      );
    }
    return { image: filename, ...size, phrase: description, box, entry };
  });
}
