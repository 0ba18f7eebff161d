import {
  type Batch,
  definePart,
  type HostTensor,
  InputError,
  type NetworkOutput,
  type StateTree,
  type StepTools,
  type Weighting,
  type WeightingContext,
  z,
} from '@retort/core';
import {
  batchArguments,
  bindOptimizer,
  compile,
  createAdamw,
  group,
  loadVariables,
  mapValues,
  saveVariables,
  type TensorMap,
  toHost,
  toTensor,
  ungroup,
} from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createHardBuffer } from './hard-buffer.js';
import { createMetaGradient } from './meta-gradient.js';
import { sameForHeads } from './teacher-weights.js';
import { createWeightNets } from './weight-nets.js';

const options = z.strictObject({
  every: z.int().positive().default(5).describe('Steps between two lessons of the weight networks.'),
  capacity: z
    .int()
    .positive()
    .default(256)
    .describe('Samples kept for these lessons: the first ones, then those the student has wrong. At least a batch.'),
  learningRate: z.number().positive().default(1e-3).describe("Adam's, of the weight networks."),
  weightDecay: z
    .number()
    .nonnegative()
    .default(1e-4)
    .describe('Of the weight networks: times their weights, added to the gradient.'),
  trial: z
    .strictObject({
      momentum: z.number().min(0).lt(1).default(0.9).describe('Of the trial steps.'),
      weightDecay: z.number().nonnegative().default(5e-4).describe('Of the trial steps.'),
    })
    .prefault({})
    .describe("How a lesson moves the student; give what trainer.optimizer has. The learning rate is the step's own."),
  normalizeSimilarity: z
    .boolean()
    .default(false)
    .describe(
      'Cosines between feature maps. The published inner products grow with the size of the maps, and large ones leave the softmax ' +
        'no slope to learn from.',
    ),
});

/**
 * MMKD: two small networks set each sample's teacher weights and learn what is good for the student's cross-entropy after it has
 * followed them for two steps (Zhang et al. 2023, "Adaptive Multi-Teacher Knowledge Distillation with Meta-Learning").
 *
 * Every few steps they are taught on samples the student had wrong, all of them with a label: see `createMetaGradient`. Adam takes its gradient, and the
 * student is put back bit for bit.
 */
export const mmkd = definePart('weighting', {
  name: 'mmkd',
  summary: 'Networks that learn which weights lower the loss on hard samples two steps later (MMKD).',
  options,
  needs: { student: ['logits'], teacher: ['logits'] },
  create: createMmkd,
});

/** A step's samples until it is known which of them the student has wrong. */
interface Pending {
  batch: Batch;
  teachers: NetworkOutput[];
  /** [B]: 1 where it misclassifies, 0 where it is right, −1 where the label is unknown. */
  wrong?: tf.Tensor;
}

function createMmkd(
  { every, capacity, learningRate, weightDecay, trial, normalizeSimilarity }: z.output<typeof options>,
  { teachers, student, classes, batchSize, heads, seeds, path }: WeightingContext,
): Weighting {
  const count = teachers.length;
  if (count === 1) {
    return { weigh: ({ batch: { size } }) => ({ fused: sameForHeads(heads, tf.ones([size, 1])) }) };
  }
  if (capacity < batchSize) {
    throw new InputError(`${path}.capacity: ${capacity} samples are fewer than a batch of ${batchSize}`);
  }
  const without = [{ id: 'the student', provides: student }, ...teachers].find(({ provides }) => !provides.featureMap);
  if (heads.includes('feature') && without) {
    throw new InputError(`${path}: mmkd weighs feature losses by feature maps, and ${without.id} has none`, {
      hints: ['give it a tap called featureMap, or set weightedBy: logit at the loss'],
    });
  }
  const random = seeds.stream('mmkd');
  const nets = createWeightNets(
    { heads, count, classes: classes.length, batchSize, cosine: normalizeSimilarity },
    seeds.stream('init'),
  );
  const adam = bindOptimizer(
    createAdamw({ learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decayOn: 'all' }),
    nets.variables,
  );
  const buffer = createHardBuffer(capacity);
  let lessons = 0;
  let pending: Pending | undefined;
  let metaGradient: ReturnType<typeof createMetaGradient> | undefined;

  const learn = compile(
    (inputs: TensorMap) => {
      const gradients = mapValues(ungroup(inputs, 'gradient/'), (gradient, key) =>
        gradient.add(nets.variables[key].mul(weightDecay)),
      );
      adam.apply(gradients, { learningRate: tf.scalar(learningRate), step: inputs.lesson as tf.Scalar });
      return {};
    },
    { variables: { ...nets.variables, ...group('adam/', adam.variables) } },
  );

  const forget = () => {
    if (pending) tf.dispose([pending.wrong, ...pending.teachers] as unknown as tf.TensorContainer);
    pending = undefined;
  };

  /** Takes the last step's samples into the buffer, now that it is known which of them the student had wrong. */
  const settle = async () => {
    if (pending?.wrong) {
      const wrong = await pending.wrong.data();
      if (buffer.wanted(wrong).includes(true)) buffer.add(await hostSamples(pending), wrong, random);
    }
    forget();
  };

  const teach = (tools: StepTools, update: number, rate: number) =>
    tf.tidy(() => {
      metaGradient ??= createMetaGradient(nets, tools, trial, count);
      const samples = { ...buffer.draw(batchSize, random), ...group('noise/', tools.noise(batchSize, update)) };
      const { gradients } = metaGradient(mapValues(samples, toTensor), rate);
      learn({ ...group('gradient/', gradients), lesson: tf.scalar(++lessons) });
    });

  return {
    variables: nets.variables,
    weigh(view, noise) {
      const fused = nets.weights(nets.look(view));
      if (!noise) return { fused };
      const label = view.batch.label!;
      const isWrong = view.student.logits!.argMax(1).notEqual(label).cast('float32');
      const wrong = tf.where(label.greaterEqual(0), isWrong, tf.fill([view.batch.size], -1));
      return { fused, experience: { wrong } };
    },
    async beforeStep(tools, { batch, teachers: outputs, update, learningRate: rate }) {
      await settle();
      if (buffer.size >= batchSize && (update - 1) % every === 0) teach(tools, update, rate);
      pending = { batch, teachers: outputs.map(copyOf) };
    },
    afterStep({ wrong }) {
      if (pending) pending.wrong = wrong.clone();
      return undefined;
    },
    async save(): Promise<StateTree> {
      await settle();
      return {
        nets: await saveVariables(nets.variables),
        adam: await adam.save(),
        buffer: buffer.save(),
        lessons,
      };
    },
    load(saved) {
      const tree = saved as { nets: StateTree; adam: StateTree; buffer: StateTree; lessons: number };
      forget();
      loadVariables(nets.variables, tree.nets, 'mmkd');
      adam.load(tree.adam);
      buffer.load(tree.buffer);
      ({ lessons } = tree);
    },
    dispose() {
      forget();
      tf.dispose(nets.variables);
      adam.dispose();
    },
  };
}

/** The arguments of a compiled step, in host memory. */
async function hostSamples({ batch, teachers }: Pending): Promise<Record<string, HostTensor>> {
  const { inputs, targets, size } = batch;
  const { image } = inputs;
  const { label, otherLabel, labelShare } = targets;
  const given = Object.entries({ image, label, otherLabel, labelShare }).flatMap(([name, tensor]) =>
    tensor ? [[`batch/${name}`, tensor] as const] : [],
  );
  const outputs = await Promise.all(
    Object.entries(batchArguments({ size }, teachers)).map(
      async ([name, tensor]) => [name, await toHost(tensor)] as const,
    ),
  );
  return Object.fromEntries([...given, ...outputs]);
}

/** The same output, disposed apart. */
function copyOf({ taps, ...fields }: NetworkOutput): NetworkOutput {
  return {
    ...mapValues(fields as TensorMap, (tensor) => tensor.clone()),
    ...(taps && { taps: mapValues(taps, (tensor) => tensor.clone()) }),
  };
}
