import * as tf from '@tensorflow/tfjs';

/**
 * Runs `body` off the gradient tape: whatever it computes is a constant to the surrounding tf.variableGrads. A tf.variableGrads
 * inside it is one of its own.
 *
 * tfjs has no stopGradient. A tf.customGrad that returns zeros would keep the branch connected, and the backward pass would
 * compute and add those zeros; leaving the tape costs nothing.
 */
export function untaped<T>(body: () => T): T {
  const { state } = tf.engine();
  const { gradientDepth, activeTape } = state;
  // The engine records at a depth above 0, and starts a tape when a gradient is asked for at depth 0.
  state.gradientDepth = 0;
  try {
    return body();
  } finally {
    state.gradientDepth = gradientDepth;
    state.activeTape = activeTape;
  }
}

/** The same values without their history. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return untaped(() => x.clone());
}
