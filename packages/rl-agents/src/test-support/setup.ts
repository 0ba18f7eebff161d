import { type Agent, type AgentContext, Registry, resolvePart, Seeds } from '@retort/core';
import { plugin as nn } from '@retort/nn';
import { plugin } from '../index.js';

/** An agent as a trainer makes it, and the seeds it draws from. */
export async function createAgent(
  reference: { use: string; [option: string]: unknown },
  given: Pick<AgentContext, 'stateSize' | 'actions' | 'network' | 'guidance'>,
  seed = 1,
): Promise<{ agent: Agent; seeds: Seeds }> {
  const registry = new Registry().use(nn).use(plugin);
  const scope = registry.createScope();
  const seeds = new Seeds(seed);
  const agent = await scope.create(resolvePart(registry, 'agent', reference), {
    ...given,
    scope,
    seeds: seeds.within('agent/'),
    path: 'agent',
  });
  return { agent, seeds };
}
