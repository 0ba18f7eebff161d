import {
  type ActionSpace,
  type Agent,
  type AgentContext,
  type Decision,
  definePart,
  type Head,
  InputError,
  type PartReference,
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
import { stateComponents, stateOf, stateOption, stateSizes } from './agent-state.js';
import { createRewardNormalizer, rewardNormalizations } from './reward-normalization.js';
import { createTeacherTeam, normalizedShares } from './teacher-team.js';
import { createGammaShares, fuse, gammasOption, type Priors, priorsOf } from './weight-fusion.js';

const options = z.strictObject({
  reward: partReference('reward')
    .prefault({ use: 'gradient-alignment' })
    .describe('What a teacher is worth for a sample.'),
  normalize: z
    .enum(rewardNormalizations)
    .default('rms')
    .describe(
      'How rewards become advantages. rms: less their mean over the teachers, over their running root mean square. ' +
        'eq8-rescaled-mean: MTKD-RL eq. 8 as its text has it, min-max over the teachers less the mean of that. eq8-printed: less the ' +
        'mean of the rewards as they were. batch-zscore-clamp01: its public code, standardized over the batch and kept within [0, 1].',
    ),
  credit: z
    .enum(['generator', 'fused'])
    .default('generator')
    .describe(
      "Which weights earn the reward: the agent's own, or what they are after fusion, through which gradients and logarithms then go.",
    ),
  agents: z
    .enum(['joint', 'per-teacher'])
    .default('joint')
    .describe(
      'joint: one agent sees all teachers and weighs them. per-teacher: one for each, which sees that teacher alone and gives a share in ' +
        "(0, 1); weights are the shares over their sum (the paper's main text).",
    ),
  nullTeacher: z
    .boolean()
    .default(false)
    .describe('Offer the agent a further choice, of reward 0: its weight takes distillation away from the sample.'),
  updateEvery: z
    .union([z.literal('epoch'), z.int().positive()])
    .default('epoch')
    .describe('When the agent learns: at the end of each epoch, or every so many batches.'),
  warmUp: z
    .enum(['none', 'equal', 'ones'])
    .default('none')
    .describe(
      "Weights that teach the student in the first epoch. none: the agent's, 1/M at first. equal: 1/M, without priors too. ones: 1 each, " +
        'which makes distillation M times as strong (the public code).',
    ),
  gammas: gammasOption,
  state: stateOption,
});

type AgentOptions = z.output<typeof options>;

/**
 * MTKD-RL: an agent sets each sample's teacher weights (Yang et al., AAAI 2025).
 *
 * The state is eq. 1-5, the weights are fused by eq. 9-14. Rewards are normalized over the teachers, then handed to the agent per
 * teacher and head. Where the paper and its public code differ there is an option; docs/weightings/agent.md lists them.
 */
export const agent = definePart('weighting', {
  name: 'agent',
  summary: "A reinforcement-learning agent sets each sample's teacher weights (MTKD-RL).",
  options,
  needs: { student: ['logits'], teacher: ['logits'] },
  create: createAgentWeighting,
});

async function createAgentWeighting(given: AgentOptions, context: WeightingContext): Promise<Weighting> {
  const { teachers, temperature, heads, scope, path } = context;
  const { credit, nullTeacher, updateEvery, warmUp } = given;
  const agentReference = requireAgent(context);
  checkCombination(given, path);
  const reward = await scope.create(given.reward, { temperature, path: given.reward.path });
  const components = stateComponents(given.state, context.hasSimilarity, `${path}.state`);
  const learner = await createLearner(
    given,
    agentReference,
    stateSizes(components, teachers, context.classes.length),
    context,
  );
  const count = teachers.length;
  const normalizer = createRewardNormalizer(given.normalize, heads);
  const gammas = createGammaShares(given.gammas, heads, path);
  // 1 in the first epoch; a step must not depend on a counter outside it.
  const warming = warmUp === 'none' ? undefined : tf.tidy(() => tf.variable(tf.scalar(1), false));
  const own = { ...normalizer.variables, ...gammas.variables, ...(warming && { warming }) };
  // What the shares of a logarithm earn grows as the weights in it fall.
  const isLogarithmic = agentReference.options.objective === 'log';
  let observed = 0;

  /** What the agent chose, as weights: [B, M], and one more for the null teacher. */
  const weightsOf = (action: tf.Tensor): tf.Tensor2D =>
    given.agents === 'joint' ? (action as tf.Tensor2D) : normalizedShares(action as tf.Tensor2D);
  const mapHeads = <T>(f: (head: Head) => T) =>
    Object.fromEntries(heads.map((head) => [head, f(head)])) as Record<Head, T>;

  return {
    hasGenerator: true,
    variables: { ...learner.variables, ...own },
    noise: (batchSize) => learner.noise(batchSize),
    get memoryTensors() {
      return learner.memoryTensors;
    },

    weigh(view, noise): TeacherWeights {
      const state = stateOf(view, components);
      const { action } = learner.act(state);
      const chosen = mapHeads((head) => weightsOf(action[head]));
      const generator = nullTeacher ? mapHeads((head) => chosen[head].slice([0, 0], [-1, count])) : chosen;
      const closedForm = priorsOf(view, heads);
      // What goes to the null teacher goes to nobody, in the closed-form weights neither.
      const priors = nullTeacher
        ? mapHeads((head) => scaled(closedForm[head], generator[head].sum(1, true)))
        : closedForm;
      const fused = mapHeads((head) => fuse(generator[head], priors[head], gammas.of(head)));
      if (!noise) return { fused, generator };
      const taught = warming ? mapHeads((head) => warmedUp(fused[head], warming, warmUp)) : fused;
      // Rewards are known for every weighting of the teachers, tried or not, so the agent explores beside the student's step
      // and not at its expense: the student is taught with the weights the agent believes in.
      const explored: Decision = Object.keys(noise).length > 0 ? learner.act(state, noise) : { action };
      const rewards = reward({ ...view, weights: taught });
      const experience: Record<string, tf.Tensor> = { state };
      const earned = heads.map((head) => {
        const ofTeachers = rewards[head];
        const advantage = normalizer.normalize(
          head,
          nullTeacher ? tf.concat([ofTeachers, tf.zeros([ofTeachers.shape[0], 1])], 1) : ofTeachers,
        );
        const tried = explored.action[head] as tf.Tensor2D;
        experience[`action/${head}`] = tried;
        experience[`component/${head}`] = advantage;
        const gain = (nullTeacher ? advantage.slice([0, 0], [-1, count]) : advantage) as tf.Tensor2D;
        gammas.credit(head, generator[head], priors[head], isLogarithmic ? gain.div(fused[head].maximum(1e-30)) : gain);
        if (credit === 'generator') return advantage.mul(tried).sum(1);
        const { generator: share, confidence, divergence } = gammas.of(head);
        const prior = priors[head].confidence
          .mul<tf.Tensor2D>(confidence)
          .add<tf.Tensor2D>(priors[head].divergence.mul(divergence));
        experience[`prior/${head}`] = prior;
        return advantage.mul(tried.mul(share).add(prior)).sum(1);
      });
      experience.reward = tf.addN(earned);
      if (explored.logProbability) experience.logProbability = explored.logProbability;
      return { fused: taught, generator, experience };
    },

    afterStep(experience, { lastInEpoch }) {
      learner.observe({
        state: experience.state as tf.Tensor2D,
        action: mapHeads((head) => experience[`action/${head}`]),
        componentReward: mapHeads((head) => experience[`component/${head}`] as tf.Tensor2D),
        ...(credit === 'fused' && { prior: mapHeads((head) => experience[`prior/${head}`] as tf.Tensor2D) }),
        reward: experience.reward as tf.Tensor1D,
        logProbability: experience.logProbability as tf.Tensor1D | undefined,
      });
      observed++;
      if (warming && lastInEpoch) tf.tidy(() => warming.assign(tf.scalar(0)));
      if (updateEvery === 'epoch' ? !lastInEpoch : observed < updateEvery) return undefined;
      observed = 0;
      return { ...learner.update(), ...gammas.learn() };
    },

    async save(): Promise<StateTree> {
      return { agent: await learner.save(), own: await saveVariables(own), observed };
    },
    async load(saved) {
      const tree = saved as { agent: StateTree; own: StateTree; observed: number };
      await learner.load(tree.agent);
      loadVariables(own, tree.own, 'agent weighting');
      observed = tree.observed;
    },
    // The scope that made the agent disposes it.
    dispose: () => tf.dispose(own),
  };
}

function requireAgent({ agent: reference, path }: WeightingContext): PartReference<'agent'> {
  if (reference) return reference;
  throw new InputError(`${path}: weighting "agent" needs the section agent`, {
    hints: ['agent: { use: pg }, or ppo, grpo, dpg, ddpg'],
  });
}

/** @throws InputError for options that contradict each other */
function checkCombination({ agents, credit, nullTeacher, reward }: AgentOptions, path: string): void {
  const perTeacher = agents === 'per-teacher';
  if (perTeacher && credit === 'fused') {
    throw new InputError(
      `${path}.credit: agents per teacher earn by their own shares, which are not mixed with anything`,
      {
        hints: ['set credit: generator, or agents: joint'],
      },
    );
  }
  if (!nullTeacher) return;
  if (perTeacher || credit === 'fused') {
    throw new InputError(`${path}.nullTeacher: takes agents: joint and credit: generator`);
  }
  if (['eq6', 'fused-scalar'].includes(reward.use)) {
    throw new InputError(
      `${path}.nullTeacher: "${reward.use}" is below 0 for every teacher, so none would always win`,
      {
        hints: ['use reward: gradient-alignment or look-ahead, where 0 is a teacher that changes nothing'],
      },
    );
  }
}

/** @param sizes numbers of the state per teacher */
async function createLearner(
  { agents, nullTeacher }: AgentOptions,
  reference: PartReference<'agent'>,
  sizes: number[],
  { teachers, heads, scope, seeds }: WeightingContext,
): Promise<Agent> {
  const place: Pick<AgentContext, 'scope' | 'seeds' | 'path'> = {
    scope,
    seeds: seeds.within('agent'),
    path: reference.path,
  };
  if (agents === 'per-teacher') {
    return createTeacherTeam(
      reference,
      teachers.map(({ id }, m) => ({ id, stateSize: sizes[m] })),
      heads,
      place,
    );
  }
  const choices = teachers.length + (nullTeacher ? 1 : 0);
  return scope.create(reference, {
    stateSize: sizes.reduce((total, size) => total + size, 0),
    actions: Object.fromEntries(heads.map((head): [Head, ActionSpace] => [head, simplex(choices)])),
    ...place,
  });
}

/** @param share [B, 1] */
function scaled({ confidence, divergence }: Priors, share: tf.Tensor): Priors {
  return { confidence: confidence.mul(share), divergence: divergence.mul(share) };
}

/** The weights of the first epoch while `warming` is 1, those given when it is 0. */
function warmedUp(weights: tf.Tensor2D, warming: tf.Variable, warmUp: 'none' | 'equal' | 'ones'): tf.Tensor2D {
  const first = tf.fill(weights.shape, warmUp === 'ones' ? 1 : 1 / weights.shape[1]);
  return tf.where(warming.greater(0), first, weights) as tf.Tensor2D;
}
