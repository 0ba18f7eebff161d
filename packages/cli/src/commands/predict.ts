import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { createRegistry, InputError, resolvePart, startBackend, z } from '@retort/core';
import { compile, loadLayersModel } from '@retort/nn';
import { decodeImage, imageFiles } from '../image-files.js';
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

const BATCH = 64;

export async function predict(
  folder: string,
  { student, csv, backend }: { student: string; csv?: boolean; backend: string },
  terminal: Terminal,
): Promise<number> {
  const files = imageFiles(folder);
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

async function classify(modelFile: string, folder: string, files: string[]): Promise<Prediction[]> {
  const { model, metadata } = await loadLayersModel(modelFile);
  const saved = savedStudent.safeParse(metadata);
  if (!saved.success) {
    throw new InputError(`${modelFile} names no classes, or no logits among its outputs`, {
      hints: [
        'a student that a run saved for a data set with classes names both',
        'one of two encoders compares images with texts: retort embed, retort eval',
      ],
    });
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
    const pixels = await Promise.all(group.map((file) => decodeImage(join(folder, file), height, width)));
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
