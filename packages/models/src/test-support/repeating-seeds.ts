import { Random, Seeds } from '@retort/core';

/** Draws a few thousand numbers and repeats them: networks of hundreds of millions of weights are made of them, and none is looked at. */
class RepeatingRandom extends Random {
  readonly #drawn = new Random([1, 2]).fill(new Float32Array(4099), 'normal');

  override fill(array: Float32Array): Float32Array {
    for (let i = 0; i < array.length; i += this.#drawn.length) array.set(this.#drawn.subarray(0, array.length - i), i);
    return array;
  }
}

/** All streams are that of {@link RepeatingRandom}. */
export class RepeatingSeeds extends Seeds {
  override stream(): Random {
    return new RepeatingRandom([1, 2]);
  }
}
