import { definePart, InputError, partReference, z, type Environment, type HostTensor } from '@retort/core';

/** Truncates episodes after so many steps, of an environment that has no limit or a later one. */
export function limitTime(environment: Environment, timeLimit: number): Environment {
  if (!(timeLimit <= environment.timeLimit)) {
    throw new InputError(
      `a time limit of ${timeLimit} steps around ${environment.identity}, which ends after ${environment.timeLimit}`,
    );
  }
  const { count } = environment;
  const steps = new Int32Array(count);
  const truncated = new Uint8Array(count);
  const late = new Uint8Array(count);
  return {
    ...environment,
    identity: `time-limit ${JSON.stringify({ timeLimit })} of ${environment.identity}`,
    timeLimit,
    reset(mask) {
      for (let copy = 0; copy < count; copy++) if (!mask || mask[copy]) steps[copy] = 0;
      return environment.reset(mask);
    },
    step(actions) {
      const result = environment.step(actions);
      truncated.set(result.truncated);
      let any = 0;
      for (let copy = 0; copy < count; copy++) {
        const ended = result.terminated[copy] | truncated[copy];
        late[copy] = ++steps[copy] >= timeLimit && !ended ? 1 : 0;
        any |= truncated[copy] |= late[copy];
        if (ended | late[copy]) steps[copy] = 0;
      }
      if (any) environment.reset(late);
      return { ...result, truncated };
    },
    save: async () => ({ environment: await environment.save(), steps: { data: steps.slice(), shape: [count] } }),
    async load(saved) {
      const from = saved as { environment: never; steps: HostTensor };
      await environment.load(from.environment);
      steps.set(from.steps.data);
    },
  };
}

/** {@link limitTime} as a part. */
export const timeLimitPart = definePart('environment', {
  name: 'time-limit',
  summary: 'Another environment whose episodes are cut off after so many steps',
  options: z.strictObject({
    timeLimit: z.number().int().positive().describe('Steps after which an episode is truncated.'),
    environment: partReference('environment').describe('The environment to wrap.'),
  }),
  create: async (options, context) =>
    limitTime(await context.scope.create(options.environment, context), options.timeLimit),
});
