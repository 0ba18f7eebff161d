import { join } from 'node:path';
import {
  type Batch,
  createRegistry,
  InputError,
  outputNamed,
  outputTensors,
  type Registry,
  resolvePart,
  startBackend,
  z,
} from '@retort/core';
import { compile, loadLayersModel } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createDataset, createTeacher, findTeacher } from './manifest-or-run.js';
import { plugins } from './plugins.js';
import { findStudent } from './student-folder.js';

/** A network that turns images into vectors. */
export interface Embedder {
  /** For people: `student runs/a/student/best`. */
  name: string;
  /** Which of its outputs is taken. */
  output: string;
  /** Changes whenever its weights or the way it is run do. */
  key: string;
  height: number;
  width: number;
  columns: number;
  /** [B, columns] row by row, of [B, height, width, 3] pixels in [0, 1]. */
  embed(pixels: Float32Array, size: number): Promise<Float32Array>;
  dispose(): Promise<void> | void;
}

export interface EmbedderOptions {
  /** Output that is asked for; the one that the network has when it is not given. */
  take?: string;
  backend: string;
}

/** What can be taken, in order of preference: where there are both, the one in the space that images share with texts. */
export const embeddingOutputs = ['imageEmbedding', 'embedding'];

const savedStudent = z.looseObject({ outputs: z.array(z.string()) });

/** The student of a run, or one that was saved by itself. @throws InputError when there is none, or it gives no embedding */
export async function openStudent(path: string, { take, backend }: EmbedderOptions): Promise<Embedder> {
  const file = join(findStudent(path).student, 'model.json');
  const started = await start(createRegistry(plugins), backend);
  const { model, metadata, fingerprint } = await loadLayersModel(file);
  const saved = savedStudent.safeParse(metadata);
  if (!saved.success || saved.data.outputs.length !== model.outputs.length) {
    throw new InputError(`${file} was not saved by a run: its metadata does not name its outputs`);
  }
  const names = saved.data.outputs;
  const output = chooseOutput(names, take, `the student ${file}`);
  const input = model.inputs[model.inputNames.findIndex((name) => name !== 'tokens')];
  const taken = model.outputs[names.indexOf(output)];
  const encoder = tf.model({ inputs: input, outputs: taken });
  const run = compile(({ image }) => ({ rows: encoder.apply(image, { training: false }) as tf.Tensor }), {
    variables: {},
  });
  const [height, width] = input.shape.slice(1) as number[];
  return {
    name: `student ${findStudent(path).student}`,
    output,
    key: JSON.stringify([fingerprint, output, started]),
    height,
    width,
    columns: taken.shape[1]!,
    async embed(pixels, size) {
      const image = tf.tensor(pixels, [size, height, width, 3]);
      const { rows } = run({ image });
      const values = await rows.data<'float32'>();
      tf.dispose([image, rows]);
      return values;
    },
    dispose: () => void model.dispose(),
  };
}

/**
 * A teacher of a manifest or of a run, with the data set that it is listed for, which says how large images are.
 *
 * @param path MANIFEST#ID, or RUN#ID; the id may be left out where one teacher is listed
 * @throws InputError when there is no such teacher, or it gives no embedding
 */
export async function openTeacher(path: string, { take, backend }: EmbedderOptions): Promise<Embedder> {
  const listed = await findTeacher(path);
  const { file, id, loaded } = listed;
  const started = await start(loaded.registry, backend);
  const scope = loaded.registry.createScope();
  try {
    const dataset = await createDataset(loaded, scope);
    const { imageShape } = dataset;
    const teacher = await createTeacher(listed, dataset, scope);
    const { provides, fingerprint, settings } = teacher.describe();
    const output = chooseOutput(Object.keys(provides), take, `the teacher "${id}" of ${file}`);
    const [height, width] = imageShape;
    return {
      name: `teacher ${id} of ${file}`,
      output,
      key: JSON.stringify([fingerprint, settings, output, started, imageShape]),
      height,
      width,
      columns: provides[output].at(-1)!,
      async embed(pixels, size) {
        const image = { data: pixels, shape: [size, height, width, 3] };
        const outputs = await teacher.infer(looseBatch(image, size));
        const values = await outputNamed(outputs, output)!.data<'float32'>();
        tf.dispose(outputTensors(outputs));
        return values;
      },
      dispose: () => scope.dispose(),
    };
  } catch (error) {
    await scope.dispose();
    throw error;
  }
}

/** @returns what the backend says of itself */
async function start(registry: Registry, backend: string): Promise<string> {
  return (await startBackend(registry, resolvePart(registry, 'backend', backend), () => undefined)).description;
}

function chooseOutput(names: readonly string[], take: string | undefined, network: string): string {
  const found = take === undefined ? embeddingOutputs.find((name) => names.includes(name)) : take;
  if (found !== undefined && names.includes(found)) return found;
  throw new InputError(`${network} gives no ${take ?? 'embedding'}`, {
    hints: [
      `it gives: ${names.join(', ')}`,
      ...(take === undefined
        ? ['in a manifest, `taps` or `outputs` of a teacher may name the layer before its classifier']
        : []),
    ],
  });
}

/** Images that belong to no data set. */
function looseBatch(image: Batch['inputs']['image'], size: number): Batch {
  const index = Int32Array.from({ length: size }, (_, i) => i);
  return { split: 'test', epoch: 0, step: 0, size, index, view: new Int32Array(size), inputs: { image }, targets: {} };
}
