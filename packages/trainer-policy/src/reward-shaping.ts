import { definePart, type HostTensor, type StateTree, z } from '@retort/core';
import { packFloat64, unpackFloat64 } from './observation-moments.js';
import { askTeacher, teacherOf, teacherOutput } from './reward-teacher.js';

/**
 * Potential-based shaping (Ng, Harada & Russell 1999, theorem 1): r + γ Φ(s') − Φ(s) has the optimal policies of r. Φ is the teacher's
 * value, or the greatest of its action values.
 */
export const shaping = definePart('environment-reward', {
  name: 'shaping',
  summary: "Potential-based shaping with a teacher's value; optimal policies stay what they were.",
  options: z.strictObject({
    teacher: z.string().optional().describe('Which teacher, where there are several.'),
    output: z
      .enum(['value', 'logits'])
      .optional()
      .describe(
        'value, or the greatest of logits that are action values, as of a Q-network; by default value if it gives one.',
      ),
  }),
  create: ({ teacher: id, output }, { spaces, count, discount, teachers, path }) => {
    const teacher = teacherOf(teachers, id, path);
    const { name, width } = teacherOutput(teacher, output === undefined ? ['value', 'logits'] : [output], path);
    const { shape } = spaces.observationSpace;
    const potentialsOf = async (observations: Float32Array) => {
      const values = await askTeacher(teacher, name, observations, shape);
      return Float64Array.from({ length: count }, (_, copy) =>
        values.subarray(copy * width, (copy + 1) * width).reduce((most, value) => Math.max(most, value), -Infinity),
      );
    };
    /** Of what the copies show now. */
    let potentials: Float64Array = new Float64Array(count);
    return {
      async begin(observations) {
        potentials = await potentialsOf(observations);
      },
      async reward({ nextObservations, following, terminated, truncated }) {
        const next = await potentialsOf(nextObservations);
        const given = potentials.map((potential, copy) =>
          shapingReward(potential, next[copy], terminated[copy] === 1, discount),
        );
        const isEnd = terminated.some((end, copy) => end === 1 || truncated[copy] === 1);
        potentials = isEnd ? await potentialsOf(following) : next;
        return given;
      },
      save: async () => ({ potentials: packFloat64(potentials) }),
      load(state) {
        potentials = unpackFloat64((state as Record<string, StateTree>).potentials as HostTensor);
      },
    };
  },
});

/**
 * γ Φ(s') − Φ(s), with Φ(s') = 0 where the episode terminated; where it was only cut off, s' is the state that it would have gone on
 * from. Over an episode that terminates, Σ_t γᵗ times these add up to −Φ(s_0).
 */
export function shapingReward(potential: number, next: number, terminated: boolean, discount: number): number {
  return (terminated ? 0 : discount * next) - potential;
}
