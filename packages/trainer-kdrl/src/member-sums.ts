/** Sums over the members of K clusters, float64, in the order in which they were added. */
export interface MemberSums {
  /** [K, D]. */
  sums: Float64Array;
  /** [K]: members of each cluster. */
  sizes: number[];
}

export function createMemberSums(clusters: number, size: number): MemberSums {
  return { sums: new Float64Array(clusters * size), sizes: new Array<number>(clusters).fill(0) };
}

/** Adds rows, [n, D], to their clusters; one whose cluster is negative belongs to none. */
export function addMembers(
  { sums, sizes }: MemberSums,
  rows: Float32Array,
  cluster: ArrayLike<number>,
  size: number,
): void {
  for (let i = 0; i < cluster.length; i++) {
    if (cluster[i] < 0) continue;
    sizes[cluster[i]]++;
    const [from, to] = [i * size, cluster[i] * size];
    for (let d = 0; d < size; d++) sums[to + d] += rows[from + d];
  }
}

/**
 * Directions of the sums, [K, D]. A cluster without members, or whose members cancel, has none.
 *
 * @param fallback [K, D]: what stands in its place
 */
export function directions({ sums, sizes }: MemberSums, fallback: Float32Array, size: number): Float32Array {
  const found = fallback.slice();
  for (const [k, members] of sizes.entries()) {
    const sum = sums.subarray(k * size, (k + 1) * size);
    let square = 0;
    for (let d = 0; d < size; d++) square += sum[d] * sum[d];
    const length = Math.sqrt(square);
    // What float32 rounding leaves of members that cancel.
    if (length <= 1e-6 * members) continue;
    for (let d = 0; d < size; d++) found[k * size + d] = sum[d] / length;
  }
  return found;
}

/** Σ_i 1 − ⟨x_i, c⟩ = N − Σ_k ⟨sum_k, c_k⟩ for unit rows and centers. */
export function inertiaOf({ sums, sizes }: MemberSums, centers: Float32Array): number {
  let along = 0;
  for (let i = 0; i < sums.length; i++) along += sums[i] * centers[i];
  // Unit vectors in float32 are a rounding error longer than one.
  return Math.max(0, sizes.reduce((a, b) => a + b, 0) - along);
}
