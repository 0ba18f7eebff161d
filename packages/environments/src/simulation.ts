import type { ActionSpace, ObservationSpace, Picture, Random } from '@retort/core';

/**
 * The rules of one copy. What changes lives in `state`, a few float64 numbers, and in the copy's random stream, so that
 * {@link vectorize} can hold any number of copies, save them and go on from there.
 */
export interface Simulation {
  observationSpace: ObservationSpace;
  actionSpace: ActionSpace;
  /** Between which the reward of a step lies. */
  rewardRange: { low: number; high: number };
  /** Numbers in `state`. */
  stateSize: number;
  /** Draws the state that an episode starts from. Every number must be written: what is there is of the episode before. */
  start(state: Float64Array, random: Random): void;
  /**
   * Advances the state.
   *
   * @param action numbers of a box, or the number of a discrete action alone; inside the space
   * @returns the reward
   */
  step(state: Float64Array, action: Float64Array, random: Random): number;
  /** Whether the episode is over by the rules. */
  terminated(state: Float64Array): boolean;
  /** Writes the observation, row by row. */
  observe(state: Float64Array, observation: Float32Array): void;
  render(state: Float64Array): Picture;
  /** For a terminal; drawn from the picture where it is left out. */
  text?(state: Float64Array): string;
}
