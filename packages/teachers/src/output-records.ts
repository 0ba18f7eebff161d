import { messageOf, type NetworkOutput, outputNamed, type OutputShapes, RunError } from '@retort/core';
import { toTensor } from '@retort/nn';
import type * as tf from '@tensorflow/tfjs';
import { type Precision, type RecordField, recordLayout } from './record-layout.js';

/** Outputs about some images or texts as records, one each, and back. */
export interface OutputRecords {
  /** Of a record. */
  bytes: number;
  /**
   * @param count of images or texts that the output is about
   * @throws RunError for an output that is not there, has another shape, or has values that the precision does not hold
   */
  encode(output: NetworkOutput, count: number): Promise<Uint8Array[]>;
  /** Read or just computed, what is handed out comes from records, so it is the same bits either way. */
  decode(records: readonly Uint8Array[]): Record<string, tf.Tensor>;
}

/**
 * @param start where the values of a record begin
 * @param teacherId for errors
 */
export function outputRecords(
  shapes: OutputShapes,
  {
    start,
    precision,
    topLogits,
    teacherId,
    where,
  }: { start: number; precision: Precision; topLogits?: number; teacherId: string; where: string },
): OutputRecords {
  const layout = recordLayout(shapes, { precision, topLogits });
  const bytes = start + layout.bytes;
  const bytesOf = (record: Uint8Array, field: RecordField) =>
    record.subarray(start + field.start, start + field.start + field.bytes);
  return {
    bytes,
    async encode(output, count) {
      const records = Array.from({ length: count }, () => new Uint8Array(bytes));
      for (const field of layout.fields) {
        const tensor = outputNamed(output, field.name);
        const shape = shapeOf(field, count).join(', ');
        if (tensor?.dtype !== 'float32' || tensor.shape.join(', ') !== shape) {
          const given = tensor ? `${tensor.dtype} [${tensor.shape.join(', ')}]` : 'nothing';
          throw new RunError(
            `teacher "${teacherId}" gives ${given} as "${field.name}", what is kept is float32 [${shape}]`,
            { hints: ['cache.outputs: list the others'], where },
          );
        }
        const values = (await tensor.data()) as Float32Array;
        try {
          records.forEach((record, i) => {
            const own = isShared(field) ? values : values.subarray(i * field.size, (i + 1) * field.size);
            field.encode(own, bytesOf(record, field));
          });
        } catch (error) {
          throw new RunError(
            `"${field.name}" of teacher "${teacherId}" cannot be kept as ${precision}: ${messageOf(error)}`,
            { hints: ['cache.precision: float32 keeps any value'], where, cause: error },
          );
        }
      }
      return records;
    },
    decode: (records) =>
      Object.fromEntries(
        layout.fields.map((field) => {
          const kept = isShared(field) ? records.slice(0, 1) : records;
          const data = new Float32Array(kept.length * field.size);
          kept.forEach((record, i) => {
            field.decode(bytesOf(record, field), data.subarray(i * field.size, (i + 1) * field.size));
          });
          return [field.name, toTensor({ data, shape: shapeOf(field, records.length) })];
        }),
      ),
  };
}

/** The one number that is no image's is kept with each. */
function isShared({ name }: RecordField): boolean {
  return name === 'logitScale';
}

function shapeOf(field: RecordField, count: number): number[] {
  return isShared(field) ? [] : [count, ...field.shape];
}
