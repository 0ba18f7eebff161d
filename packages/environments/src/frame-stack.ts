import { definePart, observationSpace, partReference, z, type Environment, type HostTensor } from '@retort/core';

/**
 * Shows the last k observations together along their last axis, oldest first: [S] becomes [k S], [H, W, C] becomes [H, W, k C].
 * At the start of an episode its first observation stands in for those before.
 */
export function stackFrames(environment: Environment, frames: number): Environment {
  const { count, observationSpace: space } = environment;
  const channels = space.shape[space.shape.length - 1];
  const width = channels * frames;
  const cells = (count * space.low.length) / channels;
  const repeated = (bounds: Float32Array) =>
    Array.from({ length: bounds.length * frames }, (_, i) => bounds[Math.floor(i / width) * channels + (i % channels)]);
  const observations = new Float32Array(cells * width);
  const nextObservations = new Float32Array(cells * width);
  const perCopy = cells / count;

  /** Fills a copy's frames with what it shows now. */
  const fill = (copy: number) => {
    for (let cell = copy * perCopy; cell < (copy + 1) * perCopy; cell++) {
      for (let i = 0; i < width; i++) {
        observations[cell * width + i] = environment.observations[cell * channels + (i % channels)];
      }
    }
  };

  return {
    ...environment,
    // What tasks show is no longer what is shown.
    tasks: undefined,
    identity: `frame-stack ${JSON.stringify({ frames })} of ${environment.identity}`,
    observationSpace: observationSpace(
      [...space.shape.slice(0, -1), width],
      repeated(space.low),
      repeated(space.high),
      space.names &&
        Array.from({ length: width }, (_, i) => `${space.names![i % channels]}${Math.floor(i / channels)}`),
    ),
    observations,
    reset(mask) {
      environment.reset(mask);
      for (let copy = 0; copy < count; copy++) if (!mask || mask[copy]) fill(copy);
      return observations;
    },
    step(actions) {
      const result = environment.step(actions);
      for (let cell = 0; cell < cells; cell++) {
        const at = cell * width;
        for (let i = 0; i < width - channels; i++) nextObservations[at + i] = observations[at + i + channels];
        for (let i = 0; i < channels; i++) {
          nextObservations[at + width - channels + i] = result.nextObservations[cell * channels + i];
        }
      }
      observations.set(nextObservations);
      for (let copy = 0; copy < count; copy++) if (result.terminated[copy] | result.truncated[copy]) fill(copy);
      return { ...result, observations, nextObservations };
    },
    save: async () => ({
      environment: await environment.save(),
      observations: { data: observations.slice(), shape: [observations.length] },
    }),
    async load(saved) {
      const from = saved as { environment: never; observations: HostTensor };
      await environment.load(from.environment);
      observations.set(from.observations.data);
    },
  };
}

/** {@link stackFrames} as a part. */
export const frameStack = definePart('environment', {
  name: 'frame-stack',
  summary: 'Another environment, showing its last observations together',
  options: z.strictObject({
    frames: z.number().int().min(2).default(4).describe('Observations shown together.'),
    environment: partReference('environment').describe('The environment to wrap.'),
  }),
  create: async (options, context) =>
    stackFrames(await context.scope.create(options.environment, context), options.frames),
});
