import {
  definePart,
  InputError,
  nearestHint,
  observationSpace,
  partReference,
  z,
  type Environment,
} from '@retort/core';

/**
 * Leaves out entries of the last axis of observations.
 *
 * @param without names of the observation space
 * @throws InputError when a name is unknown or nothing would be left
 */
export function hideEntries(environment: Environment, without: readonly string[]): Environment {
  const { count, observationSpace: space } = environment;
  const names = space.names ?? [];
  for (const name of without) {
    if (!names.includes(name)) {
      throw new InputError(`environment ${environment.identity} shows nothing called "${name}"`, {
        hints: names.length > 0 ? [nearestHint(name, names)] : ['what it shows has no names'],
      });
    }
  }
  const kept = names.map((_, i) => i).filter((i) => !without.includes(names[i]));
  if (kept.length === 0) throw new InputError(`environment ${environment.identity}: nothing is left to be seen`);

  const channels = names.length;
  const cells = (count * space.low.length) / channels;
  const select = (from: Float32Array, to: Float32Array) => {
    for (let cell = 0, at = 0; at < to.length; cell++) {
      for (const i of kept) to[at++] = from[cell * channels + i];
    }
    return to;
  };
  const boundsOf = (bounds: Float32Array) => select(bounds, new Float32Array((bounds.length / channels) * kept.length));
  const observations = new Float32Array(cells * kept.length);
  const nextObservations = new Float32Array(cells * kept.length);
  return {
    ...environment,
    // What tasks show is no longer what is shown.
    tasks: undefined,
    identity: `partial-observation ${JSON.stringify({ without })} of ${environment.identity}`,
    observationSpace: observationSpace(
      [...space.shape.slice(0, -1), kept.length],
      Array.from(boundsOf(space.low)),
      Array.from(boundsOf(space.high)),
      kept.map((i) => names[i]),
    ),
    observations,
    reset: (mask) => select(environment.reset(mask), observations),
    step(actions) {
      const result = environment.step(actions);
      select(result.observations, observations);
      select(result.nextObservations, nextObservations);
      return { ...result, observations, nextObservations };
    },
    async load(state) {
      await environment.load(state);
      select(environment.observations, observations);
    },
  };
}

/** {@link hideEntries} as a part. */
export const partialObservation = definePart('environment', {
  name: 'partial-observation',
  summary: 'Another environment without some of what it shows, such as velocities',
  options: z.strictObject({
    without: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('Names of what is hidden. Default: whatever is called a velocity.'),
    environment: partReference('environment').describe('The environment to wrap.'),
  }),
  create: async (options, context) => {
    const environment = await context.scope.create(options.environment, context);
    const velocities = environment.observationSpace.names?.filter((name) => /velocity/i.test(name)) ?? [];
    if (!options.without && velocities.length === 0) {
      throw new InputError(`${context.path}: environment ${environment.identity} shows no velocity`, {
        hints: [`name what to hide in ${context.path}.without`],
      });
    }
    return hideEntries(environment, options.without ?? velocities);
  },
});
