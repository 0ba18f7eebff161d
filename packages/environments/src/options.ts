import { z } from '@retort/core';

/** Option `timeLimit`. */
export const timeLimitOption = (steps: number) =>
  z.number().int().positive().default(steps).describe('Steps after which an episode is truncated.');
