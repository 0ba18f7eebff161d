import { definePart, RunError, z } from '@retort/core';

/**
 * What following a teacher does to the loss on reserved samples, r_im ≈ ⟨∇θ ℓ_im, ∇θ CE(V)⟩ (see `measureLookAhead`). Each head
 * has rewards of its own. Related: learning to reweight (Ren et al. 2018), TracIn (Pruthi et al. 2020).
 *
 * Experimental. V is a batch of the validation split, another one each step: figures on that split are then no longer held out.
 */
export const lookAhead = definePart('reward', {
  name: 'look-ahead',
  summary: 'How far following a teacher lowers the loss on reserved samples (experimental).',
  options: z.strictObject({}),
  needs: { student: ['logits'], teacher: ['logits'], heldOut: true },
  create:
    (_, { path }) =>
    ({ lookAhead: measured }) => {
      if (!measured) throw new RunError(`${path}: look-ahead has rewards within a training step of mtkd only`);
      return measured;
    },
});
