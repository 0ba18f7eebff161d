import { TestEnvironment } from 'jest-environment-node';

/** Node's environment with the typed arrays of the process, which onnxruntime's native part makes and asks for. */
export default class extends TestEnvironment {
  constructor(...args) {
    super(...args);
    Object.assign(this.global, { Float32Array, Int32Array, BigInt64Array, BigUint64Array, Uint8Array, ArrayBuffer });
  }
}
