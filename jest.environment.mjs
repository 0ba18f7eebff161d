import { TestEnvironment } from 'jest-environment-node';

/** Node's environment with the typed arrays of the process, which onnxruntime's native part makes and asks for. */
export default class extends TestEnvironment {
  constructor(...args) {
    super(...args);
    for (const type of [
      ...[Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Uint8Array, Uint8ClampedArray, Uint16Array],
      ...[Uint32Array, BigInt64Array, BigUint64Array, ArrayBuffer, DataView],
    ]) {
      this.global[type.name] = type;
    }
  }
}
