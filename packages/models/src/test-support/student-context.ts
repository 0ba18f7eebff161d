import { Seeds, type StudentContext } from '@retort/core';

/** Ten classes, 32 x 32 images. */
export function studentContext(changes: Partial<StudentContext> = {}, seed = 1): StudentContext {
  return {
    classes: Array.from({ length: 10 }, (_, i) => `class ${i}`),
    imageShape: [32, 32, 3],
    normalization: { mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.25, 0.5] },
    seeds: new Seeds(seed),
    baseFolder: '.',
    path: 'student',
    ...changes,
  };
}
