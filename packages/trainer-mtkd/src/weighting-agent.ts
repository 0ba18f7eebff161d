import {
  type ActionSpace,
  type Agent,
  type Decision,
  definePart,
  type DistillationView,
  type Head,
  InputError,
  partReference,
  simplex,
  type StateTree,
  type TeacherWeights,
  type Weighting,
  type WeightingContext,
  z,
} from '@retort/core';
import { loadVariables, saveVariables } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { confidenceWeights } from './weighting-ca-mkd.js';

const components = ['similarity', 'distillation-loss', 'cross-entropy', 'embedding', 'logits'] as const;

const options = z.strictObject({
  reward: partReference('reward')
    .prefault({ use: 'gradient-alignment' })
    .describe('What a teacher is worth for a sample.'),
  updateEvery: z
    .union([z.literal('epoch'), z.int().positive()])
    .default('epoch')
    .describe('When the agent learns: at the end of each epoch, or every so many batches.'),
  gammas: z
    .strictObject({
      generator: z.number().min(0).max(1).default(0.5).describe("Share of the agent's weights."),
      confidence: z
        .number()
        .min(0)
        .max(1)
        .default(0.5)
        .describe("Share of the weights by the teachers' cross-entropy (eq. 9)."),
      divergence: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe('Share of the weights by student-teacher distance (eq. 10, 11).'),
    })
    .prefault({})
    .describe('How generator, confidence and divergence weights are mixed; they sum to 1. The paper has 1/3 each.'),
  state: z
    .array(z.enum(components))
    .min(1)
    .default([...components])
    .describe(
      "What the agent sees of each teacher (MTKD-RL, eq. 1-5): the student's likeness, its loss, and the teacher itself.",
    ),
});

type AgentOptions = z.output<typeof options>;

/**
 * MTKD-RL: an agent sets each sample's teacher weights (Yang et al., AAAI 2025).
 *
 * The state is eq. 1-5, the weights are fused by eq. 9-14. Rewards are centered over the teachers and divided by their running
 * root mean square, then handed to the agent per teacher and head.
 */
export const agent = definePart('weighting', {
  name: 'agent',
  summary: "A reinforcement-learning agent sets each sample's teacher weights (MTKD-RL).",
  options,
  needs: { student: ['logits'], teacher: ['logits'] },
  create: createAgentWeighting,
});

async function createAgentWeighting(
  { reward: rewardReference, updateEvery, gammas, state: stateNames }: AgentOptions,
  { teachers, classes, temperature, hasSimilarity, heads, agent: agentReference, scope, seeds, path }: WeightingContext,
): Promise<Weighting> {
  if (!agentReference) {
    throw new InputError(`${path}: weighting "agent" needs the section agent`, {
      hints: ['agent: { use: pg }, or ppo, grpo, dpg, ddpg'],
    });
  }
  const sum = gammas.generator + gammas.confidence + gammas.divergence;
  if (Math.abs(sum - 1) > 1e-6) throw new InputError(`${path}.gammas must sum to 1, not ${sum}`);
  const reward = await scope.create(rewardReference, { temperature, path: rewardReference.path });
  const used = stateNames.filter((name) => hasSimilarity || name !== 'similarity');
  const count = teachers.length;
  const sizeOf = (name: (typeof components)[number], provides: Record<string, number[]>): number =>
    name === 'logits' ? classes.length : name === 'embedding' ? (provides.embedding?.[0] ?? 0) : 1;
  const learner: Agent = await scope.create(agentReference, {
    stateSize: teachers.reduce(
      (total, { provides }) => total + used.reduce((s, name) => s + sizeOf(name, provides), 0),
      0,
    ),
    actions: Object.fromEntries(heads.map((head): [Head, ActionSpace] => [head, simplex(count)])),
    scope,
    seeds: seeds.within('agent'),
    path: agentReference.path,
  });
  // Mean of squared centered rewards per head, and how many batches it has seen: the scale of rewards drifts as students learn.
  const scale = Object.fromEntries(
    heads.flatMap((head) => [
      [`${head}/mean-square`, tf.variable(tf.scalar(0), false)],
      [`${head}/updates`, tf.variable(tf.scalar(0), false)],
    ]),
  );
  let observed = 0;

  return {
    hasGenerator: true,
    variables: { ...learner.variables, ...scale },
    noise: (batchSize) => learner.noise(batchSize),
    get memoryTensors() {
      return learner.memoryTensors;
    },

    weigh(view, noise): TeacherWeights {
      const state = stateOf(view, used);
      const generator = learner.act(state).action as Record<Head, tf.Tensor2D>;
      const fused = fuse(generator, view, gammas, heads);
      if (!noise) return { fused, generator };
      // Rewards are known for every weighting of the teachers, tried or not, so the agent explores beside the student's step
      // and not at its expense: the student is taught with the weights the agent believes in.
      const explored: Decision = Object.keys(noise).length > 0 ? learner.act(state, noise) : { action: generator };
      const rewards = reward(view);
      const experience: Record<string, tf.Tensor> = { state };
      const earned = heads.map((head) => {
        const advantage = standardize(rewards[head], scale[`${head}/mean-square`], scale[`${head}/updates`]);
        const action = explored.action[head] as tf.Tensor2D;
        experience[`action/${head}`] = action;
        experience[`component/${head}`] = advantage;
        return advantage.mul(action).sum(1);
      });
      experience.reward = tf.addN(earned);
      if (explored.logProbability) experience.logProbability = explored.logProbability;
      return { fused, generator, experience };
    },

    afterStep(experience, { lastInEpoch }) {
      learner.observe({
        state: experience.state as tf.Tensor2D,
        action: Object.fromEntries(heads.map((head) => [head, experience[`action/${head}`]])),
        componentReward: Object.fromEntries(
          heads.map((head) => [head, experience[`component/${head}`] as tf.Tensor2D]),
        ),
        reward: experience.reward as tf.Tensor1D,
        logProbability: experience.logProbability as tf.Tensor1D | undefined,
      });
      observed++;
      if (updateEvery === 'epoch' ? !lastInEpoch : observed < updateEvery) return undefined;
      observed = 0;
      return learner.update();
    },

    async save(): Promise<StateTree> {
      return { agent: await learner.save(), scale: await saveVariables(scale), observed };
    },
    async load(saved) {
      const tree = saved as { agent: StateTree; scale: StateTree; observed: number };
      await learner.load(tree.agent);
      loadVariables(scale, tree.scale, 'agent weighting');
      observed = tree.observed;
    },
    // The scope that made the agent disposes it.
    dispose: () => tf.dispose(scale),
  };
}

/**
 * What the agent sees (MTKD-RL eq. 1-5, in the order of its code): per teacher
 * [cosine (1) | distillation loss (1) | cross-entropy (1) | embedding (D_m) | logits (C)], teachers side by side.
 *
 * @returns [B, S]
 */
export function stateOf(view: DistillationView, names: readonly (typeof components)[number][]): tf.Tensor2D {
  const column = (matrix: tf.Tensor2D, m: number) => matrix.slice([0, m], [-1, 1]);
  const parts = view.teachers.flatMap((teacher, m) =>
    names.flatMap((name): tf.Tensor2D[] => {
      if (name === 'similarity') return view.similarity ? [column(view.similarity, m)] : [];
      if (name === 'distillation-loss') return [column(view.logitLoss, m)];
      if (name === 'cross-entropy') return [column(view.teacherCrossEntropy, m)];
      const output = name === 'embedding' ? teacher.embedding : teacher.logits;
      return output ? [output] : [];
    }),
  );
  return tf.concat(parts, 1);
}

/** w = γ_gen w_gen + γ_conf w_conf + γ_div w_div (MTKD-RL eq. 9-14); each term sums to one over the teachers. */
export function fuse(
  generator: Record<Head, tf.Tensor2D>,
  view: Pick<DistillationView, 'teacherCrossEntropy' | 'logitLoss' | 'similarity'>,
  gammas: AgentOptions['gammas'],
  heads: readonly Head[],
): Record<Head, tf.Tensor2D> {
  const confidence = confidenceWeights(view.teacherCrossEntropy);
  const divergence: Record<Head, tf.Tensor2D | undefined> = {
    logit: tf.softmax(view.logitLoss),
    feature: view.similarity && tf.softmax(view.similarity),
  };
  return Object.fromEntries(
    heads.map((head) => [
      head,
      generator[head]
        .mul(gammas.generator)
        .add(confidence.mul(gammas.confidence))
        .add((divergence[head] ?? divergence.logit!).mul(gammas.divergence)),
    ]),
  ) as Record<Head, tf.Tensor2D>;
}

/**
 * Rewards relative to the mean teacher, in units of their running root mean square. Unlike a min-max over teachers this keeps
 * ties small: a difference of 1e-6 stays one.
 */
function standardize(reward: tf.Tensor2D, meanSquare: tf.Variable, updates: tf.Variable): tf.Tensor2D {
  const centered = reward.sub(reward.mean(1, true));
  updates.assign(updates.add(1));
  // A plain mean over the first batches, then exponential with a memory of a hundred.
  const rate = tf.maximum(tf.div(1, updates), 0.01);
  meanSquare.assign(meanSquare.add(centered.square().mean().sub(meanSquare).mul(rate)));
  return centered.div(meanSquare.sqrt().add(1e-8)) as tf.Tensor2D;
}
