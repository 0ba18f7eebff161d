/** A tensor in host memory, independent of any backend. */
export interface HostTensor {
  data: Float32Array | Int32Array | Uint8Array;
  shape: number[];
}

/**
 * What a part hands to a checkpoint: JSON values with host tensors as leaves. Every float64 comes back as it was, NaN,
 * infinities and −0 included. Keys `$tensor` and `$number` are reserved.
 */
export type StateTree = HostTensor | StateLeaf | StateTree[] | { [key: string]: StateTree };
type StateLeaf = string | number | boolean | null;

export function isHostTensor(value: unknown): value is HostTensor {
  return (
    typeof value === 'object' &&
    value !== null &&
    'data' in value &&
    ArrayBuffer.isView((value as HostTensor).data) &&
    Array.isArray((value as HostTensor).shape)
  );
}

/** Something whose state belongs in a checkpoint. `load(await save())` changes nothing, bit for bit. */
export interface Stateful {
  save(): Promise<StateTree>;
  load(state: StateTree): Promise<void> | void;
}
