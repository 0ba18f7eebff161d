import { join, resolve } from 'node:path';
import {
  type Batch,
  type CacheContext,
  definePart,
  encodeSafetensors,
  InputError,
  messageOf,
  type NetworkOutput,
  outputNamed,
  outputTensors,
  type OutputShapes,
  RunError,
  sha256,
  type Teacher,
  type TeacherDescription,
  z,
} from '@retort/core';
import { networkOutput, toTensor } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type CacheShard, headerBytes, keepFile, openShard, sealBytes } from './cache-shard.js';
import { checkCacheSize } from './cache-size.js';
import { disposeOutput } from './output-shapes.js';
import { precisions, recordLayout } from './record-layout.js';

const diskCacheOptions = z.strictObject({
  folder: z
    .string()
    .default('teacher-cache')
    .describe("Where outputs are kept, from the manifest's folder. Runs that name the same folder share it."),
  outputs: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('Outputs that are kept; teachers then have no others. By default all they give.'),
  precision: z
    .enum(precisions)
    .default('float32')
    .describe(
      'How all outputs but logits are kept: float32 as they are, float16 in half, int8 in a quarter of the size.',
    ),
  topLogits: z
    .int()
    .positive()
    .optional()
    .describe(
      'Keeps so many of the largest logits of a sample; what probability remains is spread evenly over the other ' +
        'classes. By default all are kept, as float32.',
    ),
  maxBytes: z
    .int()
    .positive()
    .default(20e9)
    .describe('What the folder may grow to. A run that needs more is refused before anything is written.'),
  memoryBytes: z
    .int()
    .nonnegative()
    .default(256e6)
    .describe(
      'How much of the outputs of each teacher is held in memory too, so that it is read from disk once a run.',
    ),
});

/**
 * Teachers' outputs on disk: those of a sample are computed once for each view that the data set shows of it. How they are kept
 * and shared is told in docs/teacher-cache.md.
 */
export const diskCache = definePart('cache', {
  name: 'disk',
  summary: "teachers' outputs on disk, for later epochs and other runs",
  options: diskCacheOptions,
  create: createDiskCache,
});

/** Changes with the bytes of a record or a header. */
const format = 2;

async function createDiskCache(
  options: z.output<typeof diskCacheOptions>,
  { teacher, dataset, emit, baseFolder, path: where }: CacheContext,
): Promise<Teacher> {
  const { views } = dataset;
  if (views === undefined) {
    throw new InputError(
      'every epoch shows new views of the train images, so nothing that is kept would be used again',
      {
        hints: [
          'dataset.views: 8 shows the same eight views of every image in turn',
          'dataset.augment: [] shows images as they are',
        ],
        where,
      },
    );
  }
  const description = teacher.describe();
  const shapes = keptShapes(teacher.id, description.provides, options.outputs, where);
  const names = Object.keys(shapes);
  const hasFeatures = names.some((name) => name !== 'logits');
  const precision = hasFeatures ? options.precision : 'float32';
  const classes = shapes.logits?.[0] ?? 0;
  const topLogits = options.topLogits !== undefined && options.topLogits < classes ? options.topLogits : undefined;
  const layout = recordLayout(shapes, { precision, topLogits });
  const recordBytes = sealBytes + layout.bytes;

  /** All that the values depend on. On another backend a teacher's last bits differ. */
  const content = {
    format,
    teacher: description.fingerprint,
    settings: description.settings,
    dataset: dataset.fingerprint,
    backend: tf.getBackend(),
    outputs: shapes,
    precision,
    topLogits,
  };
  const headerOf = (shard: string) => ({ ...content, shard });
  const folder = join(resolve(baseFolder, options.folder), sha256(JSON.stringify(content)).slice(0, 16));
  const size = await checkCacheSize(
    folder,
    { sizes: dataset.sizes, views, recordBytes, headerBytes: headerBytes(headerOf(`view-${views}`)) },
    { teacherId: teacher.id, dataset, maxBytes: options.maxBytes, where },
  );
  emit({ type: 'info', message: `the outputs of teacher "${teacher.id}" are kept in ${folder}: ${size}` });

  const warned = new Set<string>();
  const warn = (about: string, message: string) => {
    if (!warned.has(about)) emit({ type: 'warning', message });
    warned.add(about);
  };
  /** A disk that refuses does not end the run: the teacher is there. */
  const goOn = (error: unknown) => {
    const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    const reason = isFull ? 'no space is left on the disk' : messageOf(error);
    warn('disk', `outputs of teacher "${teacher.id}" cannot be kept in ${folder}: ${reason}; the run goes on without`);
    return undefined;
  };

  /** Test images are numbered by themselves; train and validation images share one numbering. */
  const shardOf = ({ split, view }: Batch, i: number) => (split === 'test' ? 'test' : `view-${view[i]}`);
  const shards = new Map<string, CacheShard>();
  async function openNamed(name: string): Promise<void> {
    const teacherFile = join(folder, 'teacher.safetensors');
    if (await keepFile(teacherFile, encodeTeacher(content, description))) {
      warn(teacherFile, `${teacherFile} was damaged and has been written anew`);
    }
    const path = join(folder, `${name}.bin`);
    const { shard, replaced } = await openShard(path, headerOf(name), recordBytes);
    shards.set(name, shard);
    if (replaced) warn(path, `${path}: ${replaced}; it is built anew`);
  }
  /** Files of other views are closed: epochs show one after the other, or a few at a time. */
  async function useShards(wanted: ReadonlySet<string>): Promise<void> {
    for (const name of [...shards.keys()].filter((open) => !wanted.has(open))) await closeNamed(name);
    for (const name of wanted) if (!shards.has(name)) await openNamed(name).catch(goOn);
  }
  async function closeNamed(name: string): Promise<void> {
    const shard = shards.get(name);
    shards.delete(name);
    await shard?.close();
  }

  /** Records held in memory: the first that fit. Every epoch asks for all alike, so none is worth more than another. */
  const memory = new Map<string, Uint8Array>();

  /** Goes on while the student trains; the next batch waits for it, so that it finds what this one has written. */
  let writing: Promise<unknown> = Promise.resolve();

  async function recall(batch: Batch): Promise<NetworkOutput> {
    await writing;
    const shardNames = Array.from(batch.index, (_, i) => shardOf(batch, i));
    const keys = shardNames.map((name, i) => `${name}/${batch.index[i]}`);
    const records = keys.map((key) => memory.get(key));
    const put = (i: number, record: Uint8Array | undefined) => {
      records[i] = record;
      if (record && (memory.size + 1) * recordBytes <= options.memoryBytes) memory.set(keys[i], record);
    };
    /** Places in the batch that have no record yet, of one shard or of all. */
    const lacking = (shard?: string) =>
      keys.flatMap((_, i) => (records[i] || (shard !== undefined && shardNames[i] !== shard) ? [] : [i]));

    await useShards(new Set(shardNames));
    for (const [name, shard] of shards) {
      const unread = lacking(name);
      const read = await shard.read(unread.map((i) => batch.index[i])).catch(goOn);
      unread.forEach((i, k) => put(i, read?.records[k]));
      if (read && read.damaged.length > 0) {
        warn(
          `records of ${name}`,
          `${shard.path}: sample ${read.damaged[0]} is damaged; such samples are computed anew`,
        );
      }
    }

    const missing = lacking();
    if (missing.length > 0) {
      // The whole batch, as without a cache. What was kept before stays as it was.
      const computed = await inferRecords(batch);
      for (const i of missing) put(i, computed[i]);
      const write = async ([name, shard]: [string, CacheShard]) => {
        const ofShard = missing.filter((i) => shardNames[i] === name);
        await shard.write(new Map(ofShard.map((i) => [batch.index[i], computed[i]]))).catch(goOn);
      };
      writing = Promise.all(Array.from(shards, write));
    }
    return decode(records as Uint8Array[]);
  }

  /** The teacher's answer as records, [recordBytes] each. */
  async function inferRecords(batch: Batch): Promise<Uint8Array[]> {
    const output = await teacher.infer(batch);
    try {
      const records = Array.from({ length: batch.size }, () => new Uint8Array(recordBytes));
      for (const field of layout.fields) {
        const tensor = outputNamed(output, field.name);
        const shape = [batch.size, ...field.shape].join(', ');
        if (tensor?.dtype !== 'float32' || tensor.shape.join(', ') !== shape) {
          const given = tensor ? `${tensor.dtype} [${tensor.shape.join(', ')}]` : 'nothing';
          throw new RunError(
            `teacher "${teacher.id}" gives ${given} as "${field.name}", what is kept is float32 [${shape}]`,
            { hints: ['cache.outputs: list the others'], where },
          );
        }
        const values = (await tensor.data()) as Float32Array;
        try {
          records.forEach((record, i) => {
            field.encode(values.subarray(i * field.size, (i + 1) * field.size), bytesOf(record, field));
          });
        } catch (error) {
          throw new RunError(
            `"${field.name}" of teacher "${teacher.id}" cannot be kept as ${precision}: ${messageOf(error)}`,
            { hints: ['cache.precision: float32 keeps any value'], where, cause: error },
          );
        }
      }
      return records;
    } finally {
      disposeOutput(output);
    }
  }

  /** Read or just computed, what is handed out comes from records, so it is the same bits either way. */
  function decode(records: Uint8Array[]): NetworkOutput {
    const tensors = layout.fields.map((field) => {
      const data = new Float32Array(records.length * field.size);
      records.forEach((record, i) => {
        field.decode(bytesOf(record, field), data.subarray(i * field.size, (i + 1) * field.size));
      });
      return toTensor({ data, shape: [records.length, ...field.shape] });
    });
    return networkOutput(names, tensors);
  }

  const bytesOf = (record: Uint8Array, { start, bytes }: { start: number; bytes: number }) =>
    record.subarray(sealBytes + start, sealBytes + start + bytes);

  /** The teacher's own answer, without the outputs that are not kept. */
  async function passOn(batch: Batch): Promise<NetworkOutput> {
    const output = await teacher.infer(batch);
    const tensors = names.map((name) => outputNamed(output, name)!);
    tf.dispose(outputTensors(output).filter((tensor) => !tensors.includes(tensor)));
    return networkOutput(names, tensors);
  }

  /** All but train images as they are where there are views of them: a run looks at those once at most. */
  const isKept = ({ split, view }: Batch) => split !== 'train' || views === 1 || view.every((each) => each > 0);

  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const result = turn.then(task);
    turn = result.catch(() => undefined);
    return result;
  };

  return {
    id: teacher.id,
    describe: () => ({ ...description, provides: shapes, ...roundedIdentity(description, precision, topLogits) }),
    infer: (batch) => (isKept(batch) ? inTurn(() => recall(batch)) : passOn(batch)),
    dispose: () =>
      inTurn(async () => {
        await writing;
        for (const name of [...shards.keys()]) await closeNamed(name);
        memory.clear();
      }),
  };
}

/** Shapes of the outputs that are kept. @throws InputError when the teacher gives none of those listed */
function keptShapes(id: string, provides: OutputShapes, wanted: string[] | undefined, where: string): OutputShapes {
  if (!wanted) return provides;
  const shapes = Object.fromEntries(Object.entries(provides).filter(([name]) => wanted.includes(name)));
  if (Object.keys(shapes).length === 0) {
    throw new InputError(`teacher "${id}" gives none of the outputs to keep: ${wanted.join(', ')}`, {
      hints: [`it gives: ${Object.keys(provides).join(', ')}`],
      where,
    });
  }
  return shapes;
}

/** Where values are rounded it is another teacher, and says so. */
function roundedIdentity(
  { fingerprint, summary }: TeacherDescription,
  precision: string,
  topLogits: number | undefined,
): Partial<TeacherDescription> {
  const forms = [
    ...(precision === 'float32' ? [] : [`features as ${precision}`]),
    ...(topLogits === undefined ? [] : [`the ${topLogits} largest logits`]),
  ];
  if (forms.length === 0) return {};
  return {
    fingerprint: sha256(`${forms.join(', ')} ${fingerprint}`),
    summary: `${summary}, kept: ${forms.join(', ')}`,
  };
}

/** What the outputs are of, and the teacher's classifier, so that the folder alone tells all there is to know of them. */
function encodeTeacher(content: object, { classes, classifier }: TeacherDescription): Buffer {
  return encodeSafetensors(
    classifier ? { 'classifier/kernel': classifier.kernel, 'classifier/bias': classifier.bias } : {},
    { content: JSON.stringify({ ...content, classes }) },
  );
}
