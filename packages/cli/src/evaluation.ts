import {
  batchesPerEpoch,
  type Dataset,
  InputError,
  messageOf,
  type Metric,
  type MetricBatch,
  type MetricValue,
  nearestHint,
  outputTensors,
  type PartReference,
  type Registry,
  resolvePart,
  RetortError,
  type RunScope,
  type Split,
  type Teacher,
} from '@retort/core';
import { metricBatch } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';

/** What can be asked of a network on a data set. */
export type EvaluationTask = 'classification' | 'zero-shot classification' | 'retrieval' | 'grounding';

export interface EvaluationResult {
  tasks: EvaluationTask[];
  images: number;
  /** Texts that were seen in batches; none where they have none. */
  texts: number;
  values: Record<string, MetricValue>;
}

export interface MetricChoice {
  registry: Registry;
  scope: RunScope;
  /** Names that were asked for; each has to fit. */
  asked?: readonly string[];
  /** Of the manifest; those that fit are taken. */
  listed: readonly PartReference<'metric'>[];
}

export interface EvaluationWatch {
  /** Once, when it is known what is measured. */
  began(tasks: EvaluationTask[], metrics: string[]): void;
  /** @param images done so far */
  done(images: number): void;
}

/**
 * Measures any network on a split. What is computed follows from what the network gives and the data set brings: classes by logits
 * or zero-shot by prompts, captions by retrieval, boxes by grounding. One batch of tensors is held at a time.
 *
 * @param network answers in the data set's order of classes
 * @throws InputError when the split is empty, when nothing can be measured, or a metric that was asked for does not fit
 */
export async function evaluateNetwork(
  network: Teacher,
  dataset: Dataset,
  split: Split,
  choice: MetricChoice,
  watch: EvaluationWatch,
): Promise<EvaluationResult> {
  const steps = batchesPerEpoch(dataset, split);
  if (steps === 0) {
    const others = (['train', 'validation', 'test'] as const).filter((name) => dataset.sizes[name] > 0);
    throw new InputError(`the data set has no ${split} split`, { hints: [`it has: ${others.join(', ')}`] });
  }
  let tasks: EvaluationTask[] = [];
  let metrics: Metric[] = [];
  let [images, texts] = [0, 0];
  const load = (step: number) => {
    const batch = dataset.batch({ split, epoch: 0, step }, { augment: false });
    // A fault in one is told when its turn comes.
    batch.catch(() => undefined);
    return batch;
  };
  let next = load(0);
  for (let step = 0; step < steps; step++) {
    const batch = await next;
    if (step + 1 < steps) next = load(step + 1);
    const outputs = await network.infer(batch);
    const given = await metricBatch(outputs, batch);
    tf.dispose(outputTensors(outputs));
    if (step === 0) {
      tasks = tasksOf(given, network, dataset);
      const chosen = await chooseMetrics(choice, tasks, given, dataset.classes);
      metrics = await Promise.all(chosen.map((reference) => create(choice.scope, reference, dataset.classes)));
      watch.began(
        tasks,
        chosen.map(({ use }) => use),
      );
    }
    for (const metric of metrics) metric.update(given);
    images += batch.size;
    texts += batch.inputs.tokens?.shape[0] ?? 0;
    watch.done(images);
    // Lets signals in; awaiting settled promises alone would not.
    await new Promise(setImmediate);
  }
  const values = Object.assign({}, ...metrics.map((metric) => metric.result())) as Record<string, MetricValue>;
  return { tasks, images, texts, values };
}

/** @throws InputError when there is none */
function tasksOf(given: MetricBatch, network: Teacher, { classes, text }: Dataset): EvaluationTask[] {
  const { provides } = network.describe();
  const tasks: EvaluationTask[] = [];
  if (given.logits && given.label) {
    const byPrompts = 'textEmbedding' in provides && (text?.prompts.length ?? 0) > 0;
    tasks.push(byPrompts ? 'zero-shot classification' : 'classification');
  }
  if (given.boxes && given.targetBoxes) tasks.push('grounding');
  // Phrases that name an object are no captions: many images have the like.
  if (given.imageEmbedding && given.textEmbedding && !given.targetBoxes) tasks.push('retrieval');
  if (tasks.length > 0) return tasks;
  const brings = [
    ...(classes.length > 0 ? ['classes'] : []),
    ...(text && text.prompts.length > 0 ? ['prompts of classes'] : []),
    ...(given.targetBoxes ? ['phrases with boxes'] : text && classes.length === 0 ? ['captions'] : []),
  ];
  throw new InputError(
    'nothing can be measured: what the network gives and what the data set brings do not go together',
    {
      hints: [
        `the network gives: ${Object.keys(provides).join(', ')}; the data set brings: ${brings.join(', ') || 'images alone'}`,
        'logits need classes; two encoders need prompts of classes (dataset.tokenizer, dataset.prompts) or captions; boxes need phrases with boxes',
      ],
    },
  );
}

/** Which fields the metrics of a task read. */
const fieldsOf: Record<EvaluationTask, readonly (keyof MetricBatch)[]> = {
  classification: ['logits', 'label'],
  'zero-shot classification': ['logits', 'label'],
  retrieval: ['imageEmbedding', 'textEmbedding', 'imageOfText'],
  grounding: ['boxes', 'targetBoxes'],
};

async function chooseMetrics(
  { registry, scope, asked, listed }: MetricChoice,
  tasks: readonly EvaluationTask[],
  given: MetricBatch,
  classes: readonly string[],
): Promise<PartReference<'metric'>[]> {
  const all = registry.list('metric').map(({ part }) => part);
  const fitting = async (references: readonly PartReference<'metric'>[], sample: MetricBatch) => {
    const faults = await Promise.all(references.map((reference) => faultOf(scope, reference, sample, classes)));
    return references.filter((_, i) => faults[i] === undefined);
  };
  const byDefault = async () => {
    const names = all.filter(({ options }) => options.safeParse({}).success).map(({ name }) => name);
    const fields = new Set<string>(['size', ...tasks.flatMap((task) => fieldsOf[task])]);
    const ofTasks = Object.fromEntries(Object.entries(sampleOf(given, classes)).filter(([name]) => fields.has(name)));
    return fitting(
      names.map((name) => resolvePart(registry, 'metric', name)),
      ofTasks as unknown as MetricBatch,
    );
  };
  if (!asked) {
    const chosen = await fitting(listed, sampleOf(given, classes));
    return chosen.length > 0 ? chosen : await byDefault();
  }
  const references = asked.map((name) => {
    if (!registry.has('metric', name)) {
      const hint = nearestHint(
        name,
        all.map((part) => part.name),
      );
      throw new InputError(`--metrics: no metric is called "${name}"`, { hints: [hint] });
    }
    return listed.find(({ use }) => use === name) ?? resolvePart(registry, 'metric', name, '--metrics');
  });
  for (const reference of references) {
    const fault = await faultOf(scope, reference, sampleOf(given, classes), classes);
    if (fault === undefined) continue;
    const fit = (await byDefault()).map(({ use }) => use);
    throw new InputError(`--metrics: ${reference.use} does not fit: ${fault}`, {
      hints: [`what fits: ${fit.join(', ')}`],
    });
  }
  return references;
}

/** Why a metric cannot measure this; undefined when it can. It is tried on a sample, for only its result tells what it reads. */
async function faultOf(
  scope: RunScope,
  reference: PartReference<'metric'>,
  sample: MetricBatch,
  classes: readonly string[],
): Promise<string | undefined> {
  if (scope.part(reference).needs?.teacher?.length) {
    return 'it compares a student with the teachers of its run: retort eval RUN';
  }
  try {
    (await create(scope, reference, classes)).update(sample);
  } catch (error) {
    if (error instanceof RetortError) return messageOf(error);
    throw error;
  }
  return undefined;
}

function create(scope: RunScope, reference: PartReference<'metric'>, classes: readonly string[]): Promise<Metric> {
  return scope.create(reference, { classes: [...classes], teachers: [], path: reference.path });
}

/** One made-up sample with the fields of a batch. */
function sampleOf(given: MetricBatch, classes: readonly string[]): MetricBatch {
  const { size, imageOfText, imageEmbedding, textEmbedding } = given;
  const box = Float32Array.of(0, 0, 1, 1);
  return {
    size: 1,
    ...(given.logits && { logits: new Float32Array(classes.length) }),
    ...(given.label && { label: Int32Array.of(0) }),
    ...(imageEmbedding && { imageEmbedding: new Float32Array(imageEmbedding.length / size).fill(1) }),
    ...(textEmbedding && { textEmbedding: new Float32Array(textEmbedding.length / imageOfText!.length).fill(1) }),
    imageOfText: Int32Array.of(0),
    ...(given.boxes && { boxes: box }),
    ...(given.targetBoxes && { targetBoxes: box }),
    ...(given.targetMasks && { targetMasks: Uint8Array.of(1) }),
  };
}
