import { readdirSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { createRegistry, InputError, messageOf, readInputFile, resolvePart, startBackend, z } from '@retort/core';
import { compile, loadLayersModel } from '@retort/nn';
import sharp from 'sharp';
import { plugins } from '../plugins.js';
import { findStudent } from '../student-folder.js';
import type { Terminal } from '../terminal.js';
import { percent, table } from '../text.js';

/** What became of one image. */
interface Prediction {
  file: string;
  class: string;
  /** By class name; they sum to one. */
  probabilities: Record<string, number>;
}

const savedStudent = z.looseObject({
  classes: z.array(z.string()),
  outputs: z.array(z.string()).refine((names) => names.includes('logits')),
});

const extensions = ['.jpg', '.jpeg', '.png', '.webp'];
const BATCH = 64;

export async function predict(
  folder: string,
  { student, csv, backend }: { student: string; csv?: boolean; backend: string },
  terminal: Terminal,
): Promise<number> {
  const files = imagesIn(folder);
  const model = join(findStudent(student).student, 'model.json');
  const registry = createRegistry(plugins);
  await startBackend(registry, resolvePart(registry, 'backend', backend), () => undefined);
  const predictions = await classify(model, folder, files);
  if (terminal.json) {
    terminal.print(JSON.stringify(predictions, undefined, 2));
  } else if (csv) {
    const classes = Object.keys(predictions[0].probabilities);
    terminal.print(['file', 'class', ...classes].map(csvField).join(','));
    for (const { file, class: name, probabilities } of predictions) {
      terminal.print([file, name, ...classes.map((one) => probabilities[one].toFixed(6))].map(csvField).join(','));
    }
  } else {
    const rows = predictions.map(({ file, class: name, probabilities }) => {
      const [, second] = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
      return [file, name, percent(probabilities[name]), second ? `${second[0]} ${percent(second[1])}` : ''];
    });
    terminal.print(table(['file', 'class', 'probability', 'next'], rows, [2]));
  }
  return 0;
}

/** Image files below a folder, in order, relative to it. */
function imagesIn(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new InputError(`no such folder: ${folder}`);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extensions.includes(extname(entry.name).toLowerCase()))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  if (files.length === 0) throw new InputError(`${folder} holds no images (${extensions.join(', ')})`);
  return files;
}

async function classify(modelFile: string, folder: string, files: string[]): Promise<Prediction[]> {
  const { model, metadata } = await loadLayersModel(modelFile);
  const saved = savedStudent.safeParse(metadata);
  if (!saved.success) {
    throw new InputError(`${modelFile} was not saved by a run: its metadata lacks class names or output names`);
  }
  const { classes, outputs } = saved.data;
  const [, height, width] = model.inputs[0].shape as number[];
  const predictions: Prediction[] = [];
  const classifyImages = compile(
    ({ image }) => {
      const results = [model.apply(image.div(255), { training: false }) as tf.Tensor | tf.Tensor[]].flat();
      return { probabilities: tf.softmax(results[outputs.indexOf('logits')] as tf.Tensor2D) };
    },
    { variables: {} },
  );
  for (let first = 0; first < files.length; first += BATCH) {
    const group = files.slice(first, first + BATCH);
    const pixels = await Promise.all(group.map((file) => decode(join(folder, file), height, width)));
    const image = tf.tensor4d(concatenate(pixels), [group.length, height, width, 3]);
    const { probabilities } = classifyImages({ image });
    image.dispose();
    const rows = (await probabilities.array()) as number[][];
    probabilities.dispose();
    predictions.push(
      ...rows.map((row, i) => ({
        file: group[i],
        class: classes[row.indexOf(Math.max(...row))],
        probabilities: Object.fromEntries(classes.map((name, c) => [name, row[c]])),
      })),
    );
  }
  model.dispose();
  return predictions;
}

/** [height, width, 3] bytes as `image-folder` decodes them: upright, scaled to cover, center kept. */
async function decode(file: string, height: number, width: number): Promise<Uint8Array> {
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

function concatenate(parts: Uint8Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
