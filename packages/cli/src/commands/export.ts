import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { exportOnnx, type OnnxExport, opsets } from '@retort/backend-onnxruntime';
import { createRegistry, InputError, nearestHint, resolvePart, startBackend, writeWhole, z } from '@retort/core';
import { loadLayersModel } from '@retort/nn';
import { plugins } from '../plugins.js';
import { findStudent } from '../student-folder.js';
import type { Terminal } from '../terminal.js';
import { bytes, table } from '../text.js';

export interface ExportOptions {
  format: string;
  student?: 'best' | 'last';
  output?: string;
  opset: string;
  batch: string;
  preprocessing: 'inside' | 'outside';
  pixels: 'float32' | 'uint8';
  layout: 'nhwc' | 'nchw';
  overwrite?: boolean;
}

const formats = ['onnx'];

/** What a run writes into model.json; other LayersModels have other things there, or nothing. */
const savedStudent = z.looseObject({
  classes: z.array(z.string()),
  outputs: z.array(z.string()),
  run: z.string(),
  input: z.string(),
});

export async function exportStudent(path: string, options: ExportOptions, terminal: Terminal): Promise<number> {
  const { format, preprocessing, pixels, layout } = options;
  if (!formats.includes(format)) {
    throw new InputError(`there is no format called "${format}"`, { hints: [nearestHint(format, formats)] });
  }
  const { lowest, highest } = opsets;
  const opset = wholeNumber('--opset', options.opset, lowest, highest);
  const batch = options.batch === 'free' ? 'free' : wholeNumber('--batch', options.batch, 1);
  const model = findModel(path, options.student);
  const file = options.output ?? join(dirname(model), 'model.onnx');
  checkFile(file, options.overwrite);

  // Not on onnxruntime: what it gives is to be compared with what another backend gives.
  const registry = createRegistry(plugins);
  const start = (name: string) => startBackend(registry, resolvePart(registry, 'backend', name), () => undefined);
  await start('wasm').catch(() => start('cpu'));
  const loaded = await loadLayersModel(model);
  const saved = savedStudent.safeParse(loaded.metadata);
  const { classes, outputs, run, input } = saved.data ?? {};
  const network = loaded.model;
  terminal.note(`exporting ${model} …`);
  const made = await exportOnnx(network, {
    opset,
    batch,
    preprocessing,
    pixels,
    layout,
    outputs: outputs?.length === network.outputs.length ? outputs : undefined,
    name: run ?? network.name,
    documentation: `${run === undefined ? network.name : `Student of the run ${run}`}, made with Retort.`,
    metadata: {
      ...(classes && { classes: JSON.stringify(classes) }),
      ...(run !== undefined && { run }),
      source: `LayersModel of sha256 ${loaded.fingerprint}`,
    },
  });
  network.dispose();
  writeWhole(file, made.bytes);
  const { bytes: content, ...facts } = made;
  if (terminal.json) {
    terminal.print(JSON.stringify({ file, bytes: content.length, model, ...facts }, undefined, 2));
    return 0;
  }
  terminal.print(described(file, made, options, input));
  terminal.note(`\nPython:\n${python(file, made)}\n\nJavaScript:\n${javascript(file, made)}`);
  return 0;
}

/** The model.json that a run folder, a student's folder or a path of its own names. */
function findModel(path: string, student: 'best' | 'last' | undefined): string {
  if (student === undefined && basename(path) === 'model.json' && existsSync(path)) return path;
  return join(findStudent(path, student).student, 'model.json');
}

function wholeNumber(option: string, text: string, lowest: number, highest?: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= lowest && number <= (highest ?? Infinity)) return number;
  const range = highest === undefined ? `${lowest} on, or free` : `${lowest} to ${highest}`;
  throw new InputError(`${option} ${text}: it must be a whole number from ${range}`);
}

function checkFile(file: string, overwrite = false): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new InputError(`${file} is a folder; name a file: -o ${join(file, 'model.onnx')}`);
  if (!existsSync(dirname(file))) throw new InputError(`no such folder: ${dirname(file)}`);
  if (found && !overwrite) {
    throw new InputError(`${file} is there already`, {
      hints: ['replace it: --overwrite', 'or write another: -o FILE'],
    });
  }
}

/** @param input what the student was trained on, where that is known */
function described(file: string, made: OnnxExport, { pixels }: ExportOptions, input: string | undefined): string {
  const port = (kind: string, { name, type, shape }: OnnxExport['inputs'][number]) => {
    const differences = made.differences.filter(({ output }) => output === name);
    const largest = Math.max(...differences.map(({ difference }) => difference));
    return [kind, name, `${type} [${shape.join(', ')}]`, differences.length > 0 ? largest.toExponential(1) : ''];
  };
  const rows = [...made.inputs.map((each) => port('input', each)), ...made.outputs.map((each) => port('output', each))];
  const sizes = [...new Set(made.differences.map(({ batch }) => batch))];
  return [
    `${file}  ${bytes(made.bytes.length)}, opset ${made.opset}, ${made.nodes} operators`,
    '',
    table(['', 'name', 'type', 'difference'], rows, [3]),
    '',
    ...imageLines(made, pixels, input),
    `difference: the largest one to the LayersModel on ${made.reference}, random inputs, ` +
      `${sizes.length > 1 ? `batches of ${sizes.join(' and ')}` : `two batches of ${sizes[0]}`}, onnxruntime's default options`,
  ].join('\n');
}

function imageLines({ inputs, preprocessing }: OnnxExport, pixels: string, input: string | undefined): string[] {
  if (inputs.every(({ shape }) => shape.length !== 4)) return [];
  if (preprocessing) {
    const list = (numbers: number[]) => `[${numbers.map((number) => Number(number.toPrecision(7))).join(', ')}]`;
    const { scale, shift } = preprocessing;
    return [`images: normalized by you: ${input ?? 'pixels'}, per channel times ${list(scale)} plus ${list(shift)}`];
  }
  if (pixels === 'uint8') return ['images: bytes, divided by 255 in the file'];
  return [`images: ${input ?? 'as the network was trained on, which model.json does not say'}`];
}

function python(file: string, { inputs, outputs }: OnnxExport): string {
  const feeds = inputs.map(({ name }) => `'${name}': ${identifier(name)}`).join(', ');
  return [
    '  import onnxruntime',
    `  session = onnxruntime.InferenceSession('${file}')`,
    `  [${outputs.map(({ name }) => identifier(name)).join(', ')}] = session.run(None, {${feeds}})`,
  ].join('\n');
}

function javascript(file: string, { inputs, outputs }: OnnxExport): string {
  const feed = ({ name, type, shape }: OnnxExport['inputs'][number]) => {
    const sizes = shape.map((size) => (size === 'batch' ? 1 : size)).join(', ');
    return `${key(name)}: new ort.Tensor('${type}', ${identifier(name)}, [${sizes}])`;
  };
  const results = outputs.map(({ name }) => (key(name) === name ? name : `${key(name)}: ${identifier(name)}`));
  return [
    "  import * as ort from 'onnxruntime-node';",
    `  const session = await ort.InferenceSession.create('${file}');`,
    `  const { ${results.join(', ')} } = await session.run({ ${inputs.map(feed).join(', ')} });`,
  ].join('\n');
}

/** A name that both languages take. */
function identifier(name: string): string {
  return name.replace(/[^\w]/g, '_').replace(/^(\d)/, '_$1');
}

function key(name: string): string {
  return identifier(name) === name ? name : `'${name}'`;
}
