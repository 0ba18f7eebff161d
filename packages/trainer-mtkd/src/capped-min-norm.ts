import * as tf from '@tensorflow/tfjs';

/** Gradients closer to parallel than this, relative to their mean square, are told apart no further; ties then share alike. */
const ridge = 1e-5;
const tolerance = 1e-4;

/** Each coordinate of a face of the capped simplex: at 0, at the cap, or between. */
type Position = 'zero' | 'free' | 'cap';

/** Every face, by where its coordinates are; without those that have no room for the total of 1. */
function facesOf(count: number, cap: number): Position[][] {
  let faces: Position[][] = [[]];
  for (let i = 0; i < count; i++) {
    faces = faces.flatMap((face) => (['free', 'zero', 'cap'] as const).map((position) => [...face, position]));
    faces = faces.filter((face) => face.filter((position) => position === 'cap').length * cap <= 1);
  }
  return faces.filter((face) => {
    const [free, capped] = (['free', 'cap'] as const).map((wanted) => face.filter((at) => at === wanted).length);
    return free > 0 && capped * cap < 1 && (capped + free) * cap >= 1 - 1e-9;
  });
}

/**
 * The point of the capped simplex whose combination of gradients is shortest: argmin ‖Σ_m a_m g_m‖² subject to Σ a_m = 1 and
 * 0 ≤ a_m ≤ cap (the problem of MGDA, and with a cap of AE-KD).
 *
 * With M teachers there are few faces, and on each the minimiser solves one small linear system. All systems are solved side by side
 * (Gauss and Jordan, no pivoting: the free part is positive definite), and the best feasible solution is the answer, with no
 * iteration and nothing read back.
 *
 * @param count M, 1 to 8
 * @param cap largest weight of one teacher; at 1/M and below the answer is 1/M each
 * @returns from the Gram matrix G = ⟨g_m, g_k⟩, [M, M], to weights [M]
 */
export function cappedMinNorm(count: number, cap: number): (gram: tf.Tensor2D) => tf.Tensor1D {
  if (count === 1 || cap * count <= 1) return () => tf.fill([count], 1 / count);
  const faces = facesOf(count, cap);
  const size = count + 1;
  // Rows of a face's system in (a, λ): Σ_j G_ij a_j − λ = 0 where free, a_i = 0 or the cap elsewhere, Σ_j a_j = 1 last.
  const isFree = (face: Position[], i: number) => (i < count && face[i] === 'free' ? 1 : 0);
  const array = (entry: (face: Position[], i: number, j: number) => number) =>
    Float32Array.from(
      faces.flatMap((face) =>
        Array.from({ length: size * (size + 1) }, (_, k) => entry(face, Math.floor(k / (size + 1)), k % (size + 1))),
      ),
    );
  const freeRows = array((face, i) => isFree(face, i));
  const fixed = array((face, i, j) => {
    if (i === count) return j === count ? 0 : 1;
    if (isFree(face, i)) return j === count ? -1 : 0;
    if (j === size) return face[i] === 'cap' ? cap : 0;
    return i === j ? 1 : 0;
  });
  const shape: [number, number, number] = [faces.length, size, size + 1];

  return (gram) =>
    tf.tidy(() => {
      const identity = tf.eye(count) as tf.Tensor2D;
      const scaled = gram
        .div<tf.Tensor2D>(gram.mul(identity).sum().div(count).maximum(1e-30))
        .add<tf.Tensor2D>(identity.mul(ridge));
      const padded = scaled.pad([
        [0, 1],
        [0, 2],
      ]);
      let system: tf.Tensor3D = tf.tensor3d(freeRows, shape).mul<tf.Tensor3D>(padded).add(tf.tensor3d(fixed, shape));
      const units = tf.eye(size);
      for (let k = 0; k < size; k++) {
        const pivot = system.slice([0, k, 0], [-1, 1, -1]);
        const row = pivot.div(pivot.slice([0, 0, k], [-1, 1, 1]));
        const factor = system.slice([0, 0, k], [-1, -1, 1]).sub(units.slice([k, 0], [1, -1]).reshape([1, size, 1]));
        system = system.sub(factor.mul(row));
      }
      const candidates = system.slice([0, 0, size], [-1, count, 1]).reshape([faces.length, count]) as tf.Tensor2D;
      const lengths = tf.matMul(candidates, scaled).mul(candidates).sum(1);
      const feasible = candidates
        .min(1)
        .greaterEqual(-tolerance)
        .logicalAnd(candidates.max(1).lessEqual(cap + tolerance));
      const best = tf.where(feasible, lengths, tf.fill([faces.length], Infinity)).argMin(0);
      const weights = candidates
        .gather(best.reshape([1]) as tf.Tensor1D)
        .reshape([count])
        .clipByValue(0, cap);
      return weights.div(weights.sum()) as tf.Tensor1D;
    });
}
