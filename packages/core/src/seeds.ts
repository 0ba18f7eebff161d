import { createHash } from 'node:crypto';
import { InputError } from './errors.js';
import { philox4x32 } from './philox.js';

/** Random numbers from a counter: the same key and position always give the same numbers. */
export class Random {
  readonly #key: readonly [number, number];
  readonly #counter: [number, number, number, number];
  readonly #block = new Uint32Array(4);
  #used = 4;

  /** @param counter the two high words address a place, the two low words count from there */
  constructor(key: readonly [number, number], counter: readonly [number, number] = [0, 0]) {
    this.#key = key;
    this.#counter = [0, 0, counter[0] >>> 0, counter[1] >>> 0];
  }

  /** 32 random bits. */
  bits(): number {
    if (this.#used === 4) {
      philox4x32(this.#counter, this.#key, this.#block);
      this.#counter[0] = (this.#counter[0] + 1) >>> 0;
      if (this.#counter[0] === 0) this.#counter[1] = (this.#counter[1] + 1) >>> 0;
      this.#used = 0;
    }
    return this.#block[this.#used++];
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    return this.bits() / 2 ** 32;
  }

  /** Uniform integer in [0, n), n at most 2³²; unbiased. */
  integer(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    let bits = this.bits();
    while (bits >= limit) bits = this.bits();
    return bits % n;
  }

  /** Standard normal (Box and Muller 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.bits() + 0.5) / 2 ** 32));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Fills and returns an array: uniform in [0, 1) with 24 bits, which float32 holds without rounding up to 1, or normal. */
  fill(array: Float32Array, distribution: 'uniform' | 'normal'): Float32Array {
    for (let i = 0; i < array.length; i++) {
      array[i] = distribution === 'uniform' ? (this.bits() >>> 8) / 2 ** 24 : this.normal();
    }
    return array;
  }

  /** Shuffles in place (Fisher and Yates) and returns its argument. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  /** Position: three integers. */
  save(): number[] {
    return [this.#counter[0], this.#counter[1], this.#used];
  }

  load([low, high, used]: number[]): void {
    if (used < 4) {
      // The block in use is the one before the counter.
      const counter = low === 0 ? [2 ** 32 - 1, (high - 1) >>> 0] : [low - 1, high];
      this.#counter[0] = counter[0];
      this.#counter[1] = counter[1];
      this.#used = 4;
      this.bits();
    }
    this.#counter[0] = low;
    this.#counter[1] = high;
    this.#used = used;
  }
}

/** One root seed and any number of named, independent streams. */
export class Seeds {
  readonly root: number;
  readonly #prefix: string;
  readonly #streams: Map<string, Random>;

  /** @param root integer in [0, 2⁵³) */
  constructor(root: number, prefix = '', streams = new Map<string, Random>()) {
    if (!Number.isSafeInteger(root) || root < 0)
      throw new InputError(`seed must be a non-negative integer, not ${root}`);
    this.root = root;
    this.#prefix = prefix;
    this.#streams = streams;
  }

  /** The same root under a prefix: `seeds.within('losses/hint/r20').stream('init')`. Its streams are saved with these. */
  within(prefix: string): Seeds {
    return new Seeds(this.root, `${this.#prefix}${prefix}/`, this.#streams);
  }

  /** A sequential stream. The same object for the same name; its position belongs in the checkpoint. */
  stream(name: string): Random {
    const path = this.#prefix + name;
    let stream = this.#streams.get(path);
    if (!stream) {
      stream = new Random(this.#key(path));
      this.#streams.set(path, stream);
    }
    return stream;
  }

  /** A fresh stream at a fixed place, without state: augmentation of sample `b` in epoch `a`. */
  at(name: string, a: number, b = 0): Random {
    return new Random(this.#key(`${this.#prefix}${name}@`), [a, b]);
  }

  save(): Record<string, number[]> {
    return Object.fromEntries([...this.#streams].map(([name, stream]) => [name, stream.save()]));
  }

  /** Puts every stream where it was; those that had not been used go back to their start. */
  load(positions: Record<string, number[]>): void {
    for (const [path, stream] of this.#streams) if (!(path in positions)) stream.load([0, 0, 4]);
    for (const [path, position] of Object.entries(positions)) {
      if (!this.#streams.has(path)) this.#streams.set(path, new Random(this.#key(path)));
      this.#streams.get(path)!.load(position);
    }
  }

  #key(path: string): [number, number] {
    const digest = createHash('sha256').update(`${this.root}:${path}`).digest();
    return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
  }
}
