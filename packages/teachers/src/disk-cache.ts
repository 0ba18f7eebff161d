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
  sha256,
  type Teacher,
  type TeacherDescription,
  z,
} from '@retort/core';
import { networkOutput } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { type CacheShard, headerBytes, keepFile, openShard, sealBytes } from './cache-shard.js';
import { checkCacheSize, roomForTexts } from './cache-size.js';
import { disposeOutput } from './output-shapes.js';
import { outputRecords } from './output-records.js';
import { isExact, precisions } from './record-layout.js';
import { recordMemory } from './record-memory.js';
import { textCache, textKeys, textStart } from './text-cache.js';

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
 * Teachers' outputs on disk: those of a sample are computed once for each view that the data set shows of it, and those of a text
 * once, whatever image it comes with. How they are kept and shared is told in docs/teacher-cache.md.
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
  const { textEmbedding, ...ofImages } = shapes;
  const hasFeatures = names.some((name) => !isExact(name));
  const precision = hasFeatures ? options.precision : 'float32';
  const classes = shapes.logits?.[0] ?? 0;
  const topLogits = options.topLogits !== undefined && options.topLogits < classes ? options.topLogits : undefined;
  const form = { precision, topLogits, teacherId: teacher.id, where };
  const imageRecords = outputRecords(ofImages, { ...form, start: sealBytes });
  const textRecords = textEmbedding && outputRecords({ textEmbedding }, { ...form, start: textStart });

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
    {
      sizes: dataset.sizes,
      views,
      recordBytes: imageRecords.bytes,
      headerBytes: headerBytes(headerOf(`view-${views}`)),
      textBytes: textRecords?.bytes,
    },
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
  async function openFile(name: string, bytes: number): Promise<CacheShard> {
    const teacherFile = join(folder, 'teacher.safetensors');
    if (await keepFile(teacherFile, encodeTeacher(content, description))) {
      warn(teacherFile, `${teacherFile} was damaged and has been written anew`);
    }
    const path = join(folder, `${name}.bin`);
    const { shard, replaced } = await openShard(path, headerOf(name), bytes);
    if (replaced) warn(path, `${path}: ${replaced}; it is built anew`);
    return shard;
  }
  /** Files of other views are closed: epochs show one after the other, or a few at a time. */
  async function useShards(wanted: ReadonlySet<string>): Promise<void> {
    for (const name of [...shards.keys()].filter((open) => !wanted.has(open))) await closeNamed(name);
    for (const name of [...wanted].filter((each) => !shards.has(each))) {
      const shard = await openFile(name, imageRecords.bytes).catch(goOn);
      if (shard) shards.set(name, shard);
    }
  }
  async function closeNamed(name: string): Promise<void> {
    const shard = shards.get(name);
    shards.delete(name);
    await shard?.close();
  }

  const memory = recordMemory(options.memoryBytes);

  /** Asked once all caches of the run are made and have said what they will take. */
  let room: Promise<number> | undefined;
  async function hasRoomFor(textBytes: number): Promise<boolean> {
    room ??= roomForTexts(folder, { dataset, maxBytes: options.maxBytes, where });
    if (textBytes <= (await room)) return true;
    warn('room', `${folder} would grow over maxBytes: no more texts of teacher "${teacher.id}" are kept`);
    return false;
  }
  const texts =
    textRecords &&
    textCache({
      open: () => openFile('texts', textRecords.bytes),
      memory,
      mayGrowTo: (records) => hasRoomFor(records * textRecords.bytes),
      damaged: (path) => warn('records of texts', `${path} has damaged texts; they are computed anew`),
    });

  /** Goes on while the student trains; the next batch waits for it, so that it finds what this one has written. */
  let writing: Promise<unknown> = Promise.resolve();

  async function recall(batch: Batch): Promise<NetworkOutput> {
    await writing;
    const shardNames = Array.from(batch.index, (_, i) => shardOf(batch, i));
    const keys = shardNames.map((name, i) => `${name}/${batch.index[i]}`);
    const records = keys.map((key) => memory.get(key));
    const put = (i: number, record: Uint8Array | undefined) => {
      records[i] = record;
      if (record) memory.put(keys[i], record);
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

    const { tokens } = batch.inputs;
    const textNames = texts && tokens ? textKeys(tokens) : [];
    const ofTexts = (await texts?.find(textNames).catch(goOn)) ?? textNames.map(() => undefined);

    const missing = lacking();
    const missingTexts = ofTexts.flatMap((record, t) => (record ? [] : [t]));
    if (missing.length > 0 || missingTexts.length > 0) {
      // The whole batch, as without a cache. What was kept before stays as it was.
      const computed = await compute(batch, { images: missing.length > 0, texts: missingTexts.length > 0 });
      for (const i of missing) put(i, computed.images[i]);
      for (const t of missingTexts) ofTexts[t] = computed.texts[t];
      const write = async ([name, shard]: [string, CacheShard]) => {
        const ofShard = missing.filter((i) => shardNames[i] === name);
        await shard.write(new Map(ofShard.map((i) => [batch.index[i], computed.images[i]]))).catch(goOn);
      };
      const newTexts = new Map(missingTexts.map((t) => [textNames[t], computed.texts[t]]));
      writing = Promise.all([
        ...Array.from(shards, write),
        ...(texts && newTexts.size > 0 ? [texts.add(newTexts).catch(goOn)] : []),
      ]);
    }
    return inOrder({
      ...imageRecords.decode(records as Uint8Array[]),
      ...(tokens && textRecords?.decode(ofTexts as Uint8Array[])),
    });
  }

  /** What there is of the outputs that are kept: a batch without texts has no embeddings of any. */
  function inOrder(tensors: Record<string, tf.Tensor | undefined>): NetworkOutput {
    const given = names.filter((name) => tensors[name]);
    return networkOutput(
      given,
      given.map((name) => tensors[name]!),
    );
  }

  /** The batch as far as images are concerned, for a teacher whose answers about them need no texts. */
  function withoutTexts(batch: Batch): Batch {
    const { tokens: _, ...inputs } = batch.inputs;
    return 'textEmbedding' in description.provides ? { ...batch, inputs } : batch;
  }

  /** What the teacher says of a batch, as records of its images, its texts, or both. */
  async function compute(
    batch: Batch,
    wanted: { images: boolean; texts: boolean },
  ): Promise<{ images: Uint8Array[]; texts: Uint8Array[] }> {
    const { tokens } = batch.inputs;
    const output =
      !wanted.images && teacher.encode
        ? await teacher.encode({ tokens })
        : await teacher.infer(wanted.texts ? batch : withoutTexts(batch));
    try {
      return {
        images: wanted.images ? await imageRecords.encode(output, batch.size) : [],
        texts: wanted.texts ? await textRecords!.encode(output, tokens!.shape[0]) : [],
      };
    } finally {
      disposeOutput(output);
    }
  }

  /** The teacher's own answer, without the outputs that are not kept. */
  async function passOn(batch: Batch): Promise<NetworkOutput> {
    const output = await teacher.infer(texts ? batch : withoutTexts(batch));
    const tensors = Object.fromEntries(names.map((name) => [name, outputNamed(output, name)]));
    tf.dispose(outputTensors(output).filter((tensor) => !Object.values(tensors).includes(tensor)));
    return inOrder(tensors);
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
    // What is asked for once, such as the embeddings of prompts, needs no keeping.
    ...(teacher.encode && { encode: (inputs) => teacher.encode!(inputs) }),
    dispose: () =>
      inTurn(async () => {
        await writing;
        for (const name of [...shards.keys()]) await closeNamed(name);
        await texts?.close();
        memory.clear();
      }),
  };
}

/** Shapes of the outputs that are kept. @throws InputError when the teacher gives none of those listed */
function keptShapes(id: string, all: OutputShapes, wanted: string[] | undefined, where: string): OutputShapes {
  // Where texts are read, boxes are those of a text in an image, and such pairs come anew in every epoch.
  const { boxes: _, ...withoutBoxes } = all;
  const provides = 'textEmbedding' in all ? withoutBoxes : all;
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
