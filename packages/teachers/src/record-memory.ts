/** Records held in memory: the first that fit. Every epoch asks for all alike, so none is worth more than another. */
export interface RecordMemory {
  get(key: string): Uint8Array | undefined;
  put(key: string, record: Uint8Array): void;
  clear(): void;
}

/** @param maxBytes what all of them together may take */
export function recordMemory(maxBytes: number): RecordMemory {
  const records = new Map<string, Uint8Array>();
  let bytes = 0;
  return {
    get: (key) => records.get(key),
    put(key, record) {
      if (records.has(key) || bytes + record.length > maxBytes) return;
      records.set(key, record);
      bytes += record.length;
    },
    clear() {
      records.clear();
      bytes = 0;
    },
  };
}
