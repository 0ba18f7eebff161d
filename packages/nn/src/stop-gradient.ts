import * as tf from '@tensorflow/tfjs';

/**
 * Runs `body` off the gradient tape: whatever it computes is a constant to the surrounding tf.variableGrads.
 *
 * tfjs has no stopGradient. A tf.customGrad that returns zeros would keep the branch connected, and the backward pass would
 * compute and add those zeros; leaving the tape costs nothing.
 */
export function untaped<T>(body: () => T): T {
  const { state } = tf.engine();
  const tape = state.activeTape;
  // The engine tests the tape for null to decide whether to record, whatever the type says.
  (state as { activeTape: typeof tape | null }).activeTape = null;
  try {
    return body();
  } finally {
    state.activeTape = tape;
  }
}

/** The same values without their history. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return untaped(() => x.clone());
}
