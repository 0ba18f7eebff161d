import { type Distribution, InputError, type NoiseShapes, type Objective, z } from '@retort/core';
import { untaped } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import {
  type ActionName,
  actionNames,
  checkCombination,
  type Decision,
  type WeightedReward,
} from './decision-reward.js';
import { standardize } from './standardize.js';

/** Options of the one-step policy, for a trainer's own. */
export const policyOptions = z.strictObject({
  gradient: z
    .enum(['score', 'pathwise'])
    .default('score')
    .describe(
      'score: rewards are constants, and what was sampled becomes more or less probable. pathwise: follow the derivative of the rewards.',
    ),
  temperature: z.number().positive().default(1).describe('Divides the logits that classes are sampled from.'),
  deviation: z
    .number()
    .positive()
    .default(0.1)
    .describe(
      'How far a sampled feature lies from the unit feature of the student, on average; √D times that of a coordinate.',
    ),
  samples: z.int().positive().default(1).describe('Decisions drawn per image.'),
  baseline: z
    .enum(['self-critical', 'batch-mean', 'group', 'none'])
    .default('self-critical')
    .describe(
      'What a reward is compared with. self-critical: the reward of the decision without noise. batch-mean: the mean reward. group: the ' +
        'other samples of the image, in units of their deviation (GRPO). none: nothing. Of no effect on pathwise gradients.',
    ),
  standardize: z
    .enum(['batch', 'none'])
    .default('batch')
    .describe('batch: each reward less its mean over the batch, in units of its deviation. none: as it is.'),
});

export type PolicyOptions = z.output<typeof policyOptions>;

/** What a policy is made of. */
export interface PolicyParts {
  /** A part of the kind `objective`: `reinforce`, or `ppo` for several steps on the same decisions. */
  objective: Objective;
  /** The part `categorical` of the kind `distribution`, over the classes or candidate texts. */
  classes: Distribution;
  rewards: readonly WeightedReward[];
  path: string;
}

/** What the student says of B images, on the tape. */
export interface StudentBelief {
  /** [B, C] over labels or candidate texts. */
  logits: tf.Tensor2D;
  /** Per tap [B, D], unit length; may be none. */
  features: readonly tf.Tensor2D[];
}

/** What decisions are judged by, [B] or [B, C] each, and the centers. */
export type DecisionTargets = Pick<Decision, 'label' | 'teacherLogits' | 'centers' | 'assignment'>;

/** Decisions and what they earned, all detached. Sample g of image b is at g · B + b. */
export interface DecisionExperience {
  /** [G · B] int32. */
  classAction: tf.Tensor1D;
  /** Per tap [G · B, D]. */
  featureActions: tf.Tensor2D[];
  /** [G · B] per action that some reward depends on: its log-probability when it was taken, up to a constant. */
  logProbability: Partial<Record<ActionName, tf.Tensor1D>>;
  /** [G · B] per action. */
  advantage: Partial<Record<ActionName, tf.Tensor1D>>;
  /** [G · B] by reward: what it gave, as it is. */
  earned: Record<string, tf.Tensor1D>;
}

/**
 * A one-step decision per image: a class a ~ softmax(s / τ), and per tap a feature u ~ N(z, σ² I) around the student's unit feature z,
 * σ = deviation / √D, so that the noise is as long as `deviation` whatever D is. Our reading of KDRL's second stage, whose equations are
 * not public.
 *
 * A reward counts for the action that it depends on, and for both where it depends on both: the other action's log-probability times it has
 * expectation zero and would be noise. Call inside a step: synchronous, reads nothing back, random numbers are arguments.
 */
export interface DecisionPolicy {
  /** Random numbers for B images. @param featureSizes D of each tap */
  noise(batchSize: number, featureSizes: readonly number[]): NoiseShapes;
  /** Draws decisions and judges them, off the tape. */
  decide(student: StudentBelief, targets: DecisionTargets, noise: Record<string, tf.Tensor>): DecisionExperience;
  /** [B]: the objective of decisions taken before, summed over actions, mean over the samples of an image. Score gradients. */
  surrogate(student: StudentBelief, experience: DecisionExperience): tf.Tensor1D;
  /**
   * `loss` [B] of the chosen gradient, to be minimized, and what the rewards gave, [G · B] by reward. Under `score` that of fresh decisions;
   * under `pathwise` minus the weighted rewards.
   */
  loss(
    student: StudentBelief,
    targets: DecisionTargets,
    noise: Record<string, tf.Tensor>,
  ): { loss: tf.Tensor1D; earned: Record<string, tf.Tensor1D> };
}

/**
 * Algorithms are combinations: REINFORCE with a self-critical baseline (Rennie et al. 2017, eq. 6) is `reinforce`, `self-critical`; GRPO
 * (Shao et al. 2024) is `ppo`, `group` and several samples; PPO is `ppo` and several {@link DecisionPolicy.surrogate} steps.
 *
 * @throws InputError when the rewards cannot teach under this gradient, or a group has one sample
 */
export function createDecisionPolicy(
  { objective, classes, rewards, path }: PolicyParts,
  { gradient, temperature, deviation, samples, baseline, standardize: standardization }: PolicyOptions,
): DecisionPolicy {
  checkCombination(rewards, gradient, path);
  if (baseline === 'group' && samples < 2) {
    throw new InputError(`${path}: baseline: group compares the samples of an image, and there is one`, {
      hints: ['set samples to 4 or more, or choose another baseline'],
    });
  }
  const repeated = <T extends tf.Tensor>(x: T): T =>
    samples === 1 ? x : (tf.tile(x, [samples, ...new Array<number>(x.rank - 1).fill(1)]) as T);
  const forSamples = ({ logits, features }: StudentBelief): StudentBelief => ({
    logits: repeated(logits),
    features: features.map(repeated),
  });
  const targetsForSamples = ({ centers, ...each }: DecisionTargets): DecisionTargets => ({
    centers,
    ...Object.fromEntries(Object.entries(each).flatMap(([name, x]) => (x ? [[name, repeated(x as tf.Tensor)]] : []))),
  });
  const softened = (logits: tf.Tensor2D): tf.Tensor2D => logits.div(temperature);
  const sigma = (feature: tf.Tensor2D): number => deviation / Math.sqrt(feature.shape[1]);

  const sampleClass = (logits: tf.Tensor2D, noise: Record<string, tf.Tensor>): tf.Tensor1D => {
    const own = Object.keys(classes.noise(logits.shape[0])).map((name) => [name, noise[`class/${name}`]] as const);
    return classes.sample(softened(logits), Object.fromEntries(own)) as tf.Tensor1D;
  };
  const sampleFeatures = (features: readonly tf.Tensor2D[], noise: Record<string, tf.Tensor>): tf.Tensor2D[] =>
    features.map((feature, tap) => feature.add<tf.Tensor2D>(noise[`feature/${tap}`].mul(sigma(feature))));
  const decisionOf = (
    { logits }: StudentBelief,
    targets: DecisionTargets,
    classAction: tf.Tensor1D,
    featureActions: readonly tf.Tensor2D[],
  ): Decision => ({ ...targets, logProbabilities: tf.logSoftmax(softened(logits)), classAction, featureActions });
  const rewardsOf = (decision: Decision): tf.Tensor1D[] => rewards.map(({ reward }) => reward.reward(decision));
  /** Each reward on the scale of what the samples earned. */
  const scaled = (earned: tf.Tensor1D[], reference: tf.Tensor1D[]): tf.Tensor1D[] =>
    standardization === 'none' ? earned : earned.map((each, i) => standardize(each, reference[i]));
  /** Σ w r over rewards that `counts`. */
  const weighted = (values: tf.Tensor1D[], counts: (given: WeightedReward) => boolean): tf.Tensor1D =>
    tf.addN(values.flatMap((value, i) => (counts(rewards[i]) ? [value.mul<tf.Tensor1D>(rewards[i].weight)] : [])));
  const named = (earned: tf.Tensor1D[]) => Object.fromEntries(earned.map((each, i) => [rewards[i].name, each]));
  const actions = actionNames.filter((action) => rewards.some(({ reward }) => reward.dependsOn.includes(action)));
  const perImage = (x: tf.Tensor1D): tf.Tensor1D => x.reshape<tf.Tensor2D>([samples, -1]).mean<tf.Tensor1D>(0);

  const logProbabilityOf = {
    class: ({ logits }: StudentBelief, { classAction }: DecisionExperience) =>
      classes.logProbability(softened(logits), classAction),
    feature: ({ features }: StudentBelief, { featureActions }: DecisionExperience) =>
      tf.addN(
        features.map((feature, tap) =>
          featureActions[tap].sub(feature).div(sigma(feature)).square().sum<tf.Tensor1D>(1).mul<tf.Tensor1D>(-0.5),
        ),
      ),
  };
  const advantageOf = (sampled: tf.Tensor1D, greedy: () => tf.Tensor1D): tf.Tensor1D => {
    if (baseline === 'none') return sampled;
    if (baseline === 'self-critical') return sampled.sub(greedy());
    if (baseline === 'batch-mean') return sampled.sub(sampled.mean());
    const groups = sampled.reshape<tf.Tensor2D>([samples, -1]);
    return standardize(groups, groups).as1D();
  };

  const decide: DecisionPolicy['decide'] = (belief, given, noise) =>
    untaped(() => {
      const [student, targets] = [forSamples(belief), targetsForSamples(given)];
      const classAction = sampleClass(student.logits, noise);
      const featureActions = sampleFeatures(student.features, noise);
      const earned = rewardsOf(decisionOf(student, targets, classAction, featureActions));
      const sampled = scaled(earned, earned);
      let greedy: tf.Tensor1D[] | undefined;
      const greedyRewards = () =>
        (greedy ??= scaled(
          rewardsOf(decisionOf(belief, given, classes.mode(softened(belief.logits)) as tf.Tensor1D, belief.features)),
          earned,
        ).map(repeated));
      const experience: DecisionExperience = {
        classAction,
        featureActions,
        logProbability: {},
        advantage: {},
        earned: named(earned),
      };
      for (const action of actions) {
        const counts = ({ reward }: WeightedReward) => reward.dependsOn.includes(action);
        experience.logProbability[action] = logProbabilityOf[action](student, experience);
        experience.advantage[action] = advantageOf(weighted(sampled, counts), () => weighted(greedyRewards(), counts));
      }
      return experience;
    });

  const surrogate: DecisionPolicy['surrogate'] = (belief, experience) =>
    tf.tidy(() => {
      const student = forSamples(belief);
      const losses = actions.map((action) =>
        objective({
          logProbability: logProbabilityOf[action](student, experience),
          oldLogProbability: experience.logProbability[action]!,
          advantage: experience.advantage[action]!,
        }),
      );
      return perImage(tf.addN(losses));
    });

  const pathwise: DecisionPolicy['loss'] = (belief, given, noise) => {
    const [student, targets] = [forSamples(belief), targetsForSamples(given)];
    const classAction = untaped(() => sampleClass(student.logits, noise));
    const earned = rewardsOf(decisionOf(student, targets, classAction, sampleFeatures(student.features, noise)));
    return { loss: perImage(weighted(scaled(earned, earned), () => true)).neg(), earned: named(earned) };
  };

  return {
    noise: (batchSize, featureSizes) => {
      const rows = samples * batchSize;
      const ofClass = Object.entries(classes.noise(rows)).map(([name, shape]) => [`class/${name}`, shape] as const);
      const ofFeatures = featureSizes.map(
        (size, tap) => [`feature/${tap}`, { shape: [rows, size], from: 'normal' }] as const,
      );
      return Object.fromEntries([...ofClass, ...ofFeatures]) as NoiseShapes;
    },
    decide,
    surrogate,
    loss: (student, targets, noise) => {
      if (gradient === 'pathwise') return pathwise(student, targets, noise);
      const experience = decide(student, targets, noise);
      return { loss: surrogate(student, experience), earned: experience.earned };
    },
  };
}
