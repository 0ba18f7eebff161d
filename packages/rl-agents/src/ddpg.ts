import { type Agent, definePart, type Experience, RunError, type StateTree, z } from '@retort/core';
import { compile, endPiece, loadVariables, saveVariables, type TensorMap } from '@retort/nn';
import * as tf from '@tensorflow/tfjs';
import { createCritic } from './critic.js';
import { deterministicHeads, deterministicOptions } from './deterministic-head.js';
import { createDeterministicActorCritic } from './deterministic-actor-critic.js';
import { createLearner } from './learner.js';
import { meanReport } from './minibatches.js';
import { createHeadNetwork, prefixed, squaredError, type Variables } from './network.js';
import { offPolicyOptions, refuseGuidance } from './off-policy-agent.js';
import * as shared from './options.js';
import { createReplay, type Replay } from './replay.js';
import { createRunningMoments, createRunningScale } from './running-moments.js';
import { follow } from './target-network.js';

const options = z.strictObject({
  ...shared.networkOptions,
  ...deterministicOptions,
  capacity: z
    .int()
    .positive()
    .optional()
    .describe(
      'Transitions remembered. Of weights of teachers 4096, where adding one costs time in proportion; in environments 100000.',
    ),
  learningStarts: offPolicyOptions.learningStarts.describe(
    'In environments: transitions before the first gradient step. Until then actions are uniform in the box.',
  ),
  updates: z
    .int()
    .positive()
    .default(4)
    .describe('Gradient steps per batch of transitions observed: in environments per step of all copies together.'),
  batchSize: shared.batchSize,
  discount: shared.discount,
  targetRate: z
    .number()
    .gt(0)
    .max(1)
    .default(0.005)
    .describe('How far target networks move per step. Without effect in one-step problems.'),
});

/**
 * Deep deterministic policy gradient (Lillicrap et al. 2016) for simplex and box actions. With networks of its own, the critic gets
 * the action after its first hidden layers, as in the paper (§7), and rewards divided by their running root mean square. Without
 * next states every transition ends its episode: the critic's target is the reward, and target networks have no part. A network
 * that is given is the actor of {@link createDeterministicActorCritic}.
 */
export const ddpg = definePart('agent', {
  name: 'ddpg',
  summary: 'Deep deterministic policy gradient: actor, critic, replay. Simplex and box actions.',
  options,
  create: async (given, context): Promise<Agent> => {
    const { stateSize, seeds, actions, path, scope } = context;
    refuseGuidance('ddpg', context);
    const optimizer = await scope.create(given.optimizer, undefined);
    if (context.network) {
      const { capacity = 100_000, updates: updatesPerStep, ...rest } = given;
      const plain = { capacity, updatesPerStep, critics: 1, policyDelay: 1 } as const;
      return createDeterministicActorCritic('ddpg', { ...rest, ...plain }, context, optimizer);
    }
    const [init, noise, order] = ['init', 'noise', 'order'].map((name) => seeds.stream(name));
    const heads = deterministicHeads('ddpg', actions, given, path);

    const actor = createHeadNetwork(stateSize, given.hidden, heads.sizes, init);
    const critic = createCritic(stateSize, heads.size, given.hidden, init);
    const targetActor = createHeadNetwork(stateSize, given.hidden, heads.sizes, init);
    const targetCritic = createCritic(stateSize, heads.size, given.hidden, init);
    follow(targetActor.variables, actor.variables, 1);
    follow(targetCritic.variables, critic.variables, 1);
    const actorLearner = createLearner(optimizer, actor.variables);
    const criticLearner = createLearner(optimizer, critic.variables);
    const rewardScale = createRunningScale();
    const moments = given.normalizeState ? createRunningMoments(stateSize) : undefined;
    const see = (state: tf.Tensor2D) => (moments ? moments.normalize(state) : state);
    const own: Variables = {
      ...prefixed('actor', actorLearner.variables),
      ...prefixed('critic', criticLearner.variables),
      ...prefixed('targetActor', targetActor.variables),
      ...prefixed('targetCritic', targetCritic.variables),
      ...prefixed('rewardScale', rewardScale.variables),
      ...(moments && prefixed('moments', moments.variables)),
    };
    // Its columns are known with the first experience.
    let replay: Replay | undefined;
    let pending = 0;
    const isMultiStep = () => replay !== undefined && 'nextState' in replay.variables;
    const openReplay = (multiStep: boolean): Replay => {
      const further: Record<string, number> = multiStep ? { nextState: stateSize, terminated: 1 } : {};
      replay = createReplay(given.capacity ?? 4096, { state: stateSize, action: heads.size, reward: 1, ...further });
      return replay;
    };
    const variables = (): Variables => ({ ...own, ...(replay && prefixed('replay', replay.variables)) });
    /** One step on rows of the replay; those with a next state are of several steps. */
    const learnOnce = compile(
      ({ action, reward, nextState, terminated, ...batch }: TensorMap) => {
        const state = see(batch.state as tf.Tensor2D);
        let target = rewardScale.scale(reward.as1D());
        if (nextState) {
          const next = see(nextState as tf.Tensor2D);
          const nextValue = targetCritic.apply(next, heads.encodeOutputs(targetActor.apply(next)));
          target = target.add<tf.Tensor1D>(tf.sub(1, terminated.as1D()).mul(nextValue).mul(given.discount));
        }
        const { loss: criticLoss } = criticLearner.minimize(() => ({
          loss: squaredError(critic.apply(state, action as tf.Tensor2D), target),
        }));
        const { loss: actorLoss } = actorLearner.minimize(() => {
          const outputs = actor.apply(state);
          const gain = critic
            .apply(state, heads.encodeOutputs(outputs))
            .add(heads.entropy(outputs).mul(given.entropyCoefficient));
          return { loss: gain.mean<tf.Scalar>().neg() };
        });
        if (nextState) {
          follow(targetActor.variables, actor.variables, given.targetRate);
          follow(targetCritic.variables, critic.variables, given.targetRate);
        }
        return { criticLoss, actorLoss };
      },
      { variables: own },
    );

    return {
      get variables() {
        return variables();
      },
      noise: (batchSize) => heads.noise(batchSize, noise),
      act: (state, drawn) => tf.tidy(() => ({ action: heads.act(actor.apply(see(state)), drawn) })),
      observe: (experience: Experience) =>
        tf.tidy(() => {
          const { state, action, reward, nextState, terminated } = experience;
          const memory = replay ?? openReplay(nextState !== undefined);
          if (isMultiStep() !== (nextState !== undefined)) {
            throw new RunError('experience came with next states at first and without later, or the other way round');
          }
          moments?.absorb(state);
          rewardScale.absorb(reward);
          const column = (x: tf.Tensor1D) => x.cast('float32').reshape<tf.Tensor2D>([x.size, 1]);
          memory.insert({
            state,
            action: heads.encode(action),
            reward: column(reward),
            ...(nextState && { nextState, terminated: column(terminated ?? tf.zerosLike(reward)) }),
          });
          pending++;
        }),
      update: () => {
        if (!replay) return {};
        const memory = replay;
        const steps = pending * given.updates;
        pending = 0;
        return tf.tidy(() =>
          meanReport(
            Array.from({ length: steps }, () => {
              const batch = memory.sample(given.batchSize, order);
              const report = learnOnce(batch);
              tf.dispose(batch);
              endPiece();
              return report;
            }),
          ),
        );
      },
      get memoryTensors() {
        return replay ? Object.keys(replay.variables).length : 0;
      },
      save: async (): Promise<StateTree> => ({
        variables: await saveVariables(variables()),
        replay: replay ? { multiStep: isMultiStep(), count: replay.count } : null,
        pending,
      }),
      load: (state) => {
        const saved = state as {
          variables: StateTree;
          replay: { multiStep: boolean; count: number } | null;
          pending: number;
        };
        if (replay) tf.dispose(replay.variables);
        replay = undefined;
        if (saved.replay) openReplay(saved.replay.multiStep).count = saved.replay.count;
        loadVariables(variables(), saved.variables, 'agent');
        pending = saved.pending;
      },
      dispose: () => tf.dispose(variables()),
    };
  },
});
