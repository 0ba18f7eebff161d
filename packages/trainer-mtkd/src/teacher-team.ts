import {
  type ActionSpace,
  type Agent,
  type AgentContext,
  type Experience,
  type Head,
  type PartReference,
  simplex,
  type StateTree,
} from '@retort/core';
import * as tf from '@tensorflow/tfjs';

/** A share as far from 1 as float32 can hold without its complement getting lost. */
const least = 1e-7;

/**
 * An agent for each teacher in place of one for all, as the MTKD-RL paper's main text writes: agent m sees what the state says of
 * teacher m and nothing of the others, and answers how far to follow it, a share in (0, 1) per head. It chooses between following,
 * which earns the teacher's advantage, and not following, which earns 0. Shares do not sum to one; {@link normalizedShares} are the
 * weights. A constant added to all advantages moves all shares, other than with a joint agent.
 *
 * Seen from outside it is one agent whose actions are the shares, [B, M] per head.
 */
export async function createTeacherTeam(
  reference: PartReference<'agent'>,
  teachers: readonly { id: string; stateSize: number }[],
  heads: readonly Head[],
  { scope, seeds, path }: Pick<AgentContext, 'scope' | 'seeds' | 'path'>,
): Promise<Agent> {
  const agents: Agent[] = [];
  for (const { id, stateSize } of teachers) {
    agents.push(
      await scope.create(reference, {
        stateSize,
        actions: Object.fromEntries(heads.map((head): [Head, ActionSpace] => [head, simplex(2)])),
        scope,
        seeds: seeds.within(id),
        path,
      }),
    );
  }
  const sizes = teachers.map(({ stateSize }) => stateSize);
  const ofEach = <T>(body: (agent: Agent, state: tf.Tensor2D, m: number) => T, state: tf.Tensor2D): T[] => {
    const states = tf.split<tf.Tensor2D>(state, sizes, 1);
    return agents.map((agent, m) => body(agent, states[m], m));
  };
  const prefixed = <T>(all: Record<string, T>[]): Record<string, T> =>
    Object.fromEntries(
      all.flatMap((own, m) => Object.entries(own).map(([key, value]) => [`${teachers[m].id}/${key}`, value])),
    );

  return {
    get variables() {
      return prefixed(agents.map(({ variables }) => variables));
    },
    get memoryTensors() {
      return agents.reduce((sum, { memoryTensors }) => sum + memoryTensors, 0);
    },
    noise: (batchSize) => prefixed(agents.map((agent) => agent.noise(batchSize))),
    act: (state, noise) =>
      tf.tidy(() => {
        const decisions = ofEach((agent, own, m) => {
          const prefix = `${teachers[m].id}/`;
          const drawn = Object.entries(noise ?? {}).filter(([name]) => name.startsWith(prefix));
          return agent.act(
            own,
            noise && Object.fromEntries(drawn.map(([name, tensor]) => [name.slice(prefix.length), tensor])),
          );
        }, state);
        const action = Object.fromEntries(
          heads.map((head) => [
            head,
            tf.concat(
              decisions.map((decision) => (decision.action[head] as tf.Tensor2D).slice([0, 0], [-1, 1])),
              1,
            ),
          ]),
        );
        return { action };
      }),
    // The log-densities are not handed on: the policies are still those that acted when they learn, and can tell them again.
    observe: ({ state, action, componentReward }: Experience) =>
      tf.tidy(() => {
        const column = (matrix: tf.Tensor, m: number) => matrix.slice([0, m], [-1, 1]) as tf.Tensor2D;
        ofEach((agent, own, m) => {
          const shares = heads.map((head) => column(action[head], m).clipByValue(least, 1 - least) as tf.Tensor2D);
          const advantages = heads.map((head) => column(componentReward![head], m));
          const perHead = (f: (k: number) => tf.Tensor2D) => Object.fromEntries(heads.map((head, k) => [head, f(k)]));
          agent.observe({
            state: own,
            action: perHead((k) => tf.concat([shares[k], tf.sub(1, shares[k])], 1)),
            componentReward: perHead((k) => tf.concat([advantages[k], tf.zerosLike(advantages[k])], 1)),
            reward: tf.addN(heads.map((_, k) => shares[k].mul(advantages[k]).sum(1))) as tf.Tensor1D,
          });
        }, state);
      }),
    update: () => prefixed(agents.map((agent) => agent.update())),
    save: async (): Promise<StateTree> =>
      Object.fromEntries(
        await Promise.all(agents.map(async (agent, m) => [teachers[m].id, await agent.save()] as const)),
      ),
    async load(saved) {
      for (const [m, agent] of agents.entries()) await agent.load((saved as Record<string, StateTree>)[teachers[m].id]);
    },
    // The scope that made the agents disposes them.
    dispose: () => {},
  };
}

/** w_m = u_m / Σ_k u_k. @param shares [B, M], not below 0 @returns [B, M], rows sum to one; 1/M where all are 0 */
export function normalizedShares(shares: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const kept = shares.add<tf.Tensor2D>(1e-12);
    return kept.div(kept.sum(1, true));
  });
}
