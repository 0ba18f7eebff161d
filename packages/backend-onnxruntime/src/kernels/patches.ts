import type { OnnxRuntimeBackend } from '../backend.js';
import type { Value } from '../recording.js';
import { derivedConstant } from './structural.js';

/** Which positions of an image each output position sees. */
export interface Windows {
  /** Output positions. */
  height: number;
  width: number;
  /** Taps of a window. */
  rows: number;
  columns: number;
  /**
   * Where a tap looks along one axis: `origin + step · position + tapStep · tap`, in units of 1 / `divisor` of a pixel; it sees
   * zero outside of the image and between pixels.
   */
  vertical: Axis;
  horizontal: Axis;
}

export interface Axis {
  origin: number;
  step: number;
  tapStep: number;
  divisor: number;
}

/** The pixels of every window side by side: x [B, H, W, C] → [B · height · width, rows · columns · C]. One Gather. */
export function patches(backend: OnnxRuntimeBackend, x: Value, windows: Windows): Value {
  const [batch, inHeight, inWidth, channels] = x.shape;
  const { height, width, rows, columns } = windows;
  const size = inHeight * inWidth;
  const index = gatherIndex(inHeight, inWidth, windows);
  const flat = backend.reshape(x, [batch, size, channels]);
  // A row of zeros at the end is what taps outside of the image see.
  const padded = index.outside
    ? backend.emit('Pad', [flat, backend.integers([0, 0, 0, 0, 1, 0])], [batch, size + 1, channels])
    : flat;
  const gathered = backend.emit('Gather', [padded, index.value], [batch, index.value.shape[0], channels], { axis: 1 });
  return backend.reshape(gathered, [batch * height * width, rows * columns * channels]);
}

const outsides = new WeakMap<Value, boolean>();

function gatherIndex(inHeight: number, inWidth: number, windows: Windows): { value: Value; outside: boolean } {
  const { height, width, rows, columns, vertical, horizontal } = windows;
  const zeros = inHeight * inWidth;
  const name = `patches of ${inHeight}x${inWidth} ${JSON.stringify(windows)}`;
  const value = derivedConstant(name, [height * width * rows * columns], 'int32', () => {
    const list: number[] = [];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) {
            const [row, column] = [look(vertical, y, i, inHeight), look(horizontal, x, j, inWidth)];
            list.push(row < 0 || column < 0 ? zeros : row * inWidth + column);
          }
        }
      }
    }
    return list;
  });
  let outside = outsides.get(value);
  if (outside === undefined) {
    const { data } = value.from as { data: Uint8Array };
    outside = new Int32Array(data.buffer).includes(zeros);
    outsides.set(value, outside);
  }
  return { value, outside };
}

function look({ origin, step, tapStep, divisor }: Axis, position: number, tap: number, size: number): number {
  const at = (origin + step * position + tapStep * tap) / divisor;
  return Number.isInteger(at) && at >= 0 && at < size ? at : -1;
}
