import type { Workspace } from './workspace.js';
import type { TensorInfo } from '@tensorflow/tfjs';

/**
 * How one spatial axis of a convolution is laid out so that every filter tap sees its input as a shifted, contiguous
 * copy of the output grid.
 *
 * The padded input is split by position modulo the stride ("phases"): tap t reads phase (t·d) mod s at position
 * o + ⌊t·d / s⌋ for output o. Positions follow each other with a pitch that leaves room for the zeros of the padding,
 * shared by neighbors: the zeros after one row are those before the next.
 */
export interface FrameAxis {
  /** Positions from the start of one row (or image) to the next. */
  pitch: number;
  /** Phases that some tap reads. */
  phases: number[];
  /** First and last phase position that is kept; `first` lies at 0 of the frame. */
  first: number;
  last: number;
  /** For each tap its phase (index into `phases`) and how far its input lies from the output position. */
  taps: { phase: number; shift: number }[];
}

/** Lays out an axis; sizes in pixels, `before` is the padding in front. */
export function frameAxis(
  size: number,
  outputs: number,
  kernel: number,
  stride: number,
  dilation: number,
  before: number,
): FrameAxis {
  const reach = Array.from({ length: kernel }, (_, t) => t * dilation);
  const phases = [...new Set(reach.map((r) => r % stride))];
  const needed = outputs + Math.max(...reach.map((r) => Math.floor(r / stride)));
  const first = Math.min(...phases.map((p) => Math.max(0, Math.ceil((before - p) / stride))));
  const last = Math.min(needed - 1, Math.max(...phases.map((p) => Math.floor((size - 1 + before - p) / stride))));
  const gap = Math.max(first, needed - 1 - last, 0);
  return {
    pitch: Math.max(Math.max(0, last - first + 1) + gap, outputs),
    phases,
    first,
    last,
    taps: reach.map((r) => ({ phase: phases.indexOf(r % stride), shift: Math.floor(r / stride) - first })),
  };
}

/** What {@link inputFrame} and {@link outputFrame} need to know of a 2D convolution (tfjs's Conv2DInfo has it all). */
export interface FrameGeometry {
  batchSize: number;
  inHeight: number;
  inWidth: number;
  outHeight: number;
  outWidth: number;
  filterHeight: number;
  filterWidth: number;
  strideHeight: number;
  strideWidth: number;
  dilationHeight: number;
  dilationWidth: number;
  padInfo: { top: number; left: number };
}

export interface Frame {
  rows: FrameAxis;
  columns: FrameAxis;
  /** Positions in a frame, N = B · pitch of rows · pitch of columns. */
  size: number;
  /** Positions by which a tap may reach before and beyond the frame. */
  slack: number;
}

export function frameOf(info: FrameGeometry): Frame {
  const rows = frameAxis(
    info.inHeight,
    info.outHeight,
    info.filterHeight,
    info.strideHeight,
    info.dilationHeight,
    info.padInfo.top,
  );
  const columns = frameAxis(
    info.inWidth,
    info.outWidth,
    info.filterWidth,
    info.strideWidth,
    info.dilationWidth,
    info.padInfo.left,
  );
  const furthest = (axis: FrameAxis) => Math.max(...axis.taps.map(({ shift }) => Math.abs(shift)));
  return {
    rows,
    columns,
    size: info.batchSize * rows.pitch * columns.pitch,
    slack: furthest(rows) * columns.pitch + furthest(columns),
  };
}

/** Position of each tap's input relative to the output's, and the phase block it is in, in row-major order of taps. */
export function frameTaps({ rows, columns }: Frame): { block: number; shift: number }[] {
  return rows.taps.flatMap((row) =>
    columns.taps.map((column) => ({
      block: row.phase * columns.phases.length + column.phase,
      shift: row.shift * columns.pitch + column.shift,
    })),
  );
}

/**
 * Lays an input [B, H, W, C] out in frames.
 *
 * @param transposed true: every phase block is [C, N]; false: [N, C · copies], each channel repeated `copies` times
 * @returns blocks one after the other with `slack` zeros (times channels, when not transposed) before, between and after
 */
export function inputFrame(
  workspace: Workspace,
  frame: Frame,
  x: TensorInfo,
  info: FrameGeometry,
  { transposed, copies = 1 }: { transposed: boolean; copies?: number },
): { data: TensorInfo; start(block: number, shift: number): number } {
  const { rows, columns, size } = frame;
  const channels = x.shape[3] * (transposed ? 1 : copies);
  const slack = transposed ? frame.slack : frame.slack * channels;
  const block = size * channels + slack;
  const data = workspace.zeros([slack + rows.phases.length * columns.phases.length * block]);
  const heap = workspace.heap();
  const [from, to] = [workspace.start(x), workspace.start(data) + slack];
  const inChannels = x.shape[3];
  const { strideHeight, strideWidth, inHeight, inWidth, padInfo } = info;
  rows.phases.forEach((rowPhase, i) =>
    columns.phases.forEach((columnPhase, j) => {
      const base = to + (i * columns.phases.length + j) * block;
      // columns of x that exist in this phase
      const firstColumn = Math.max(columns.first, Math.ceil((padInfo.left - columnPhase) / strideWidth));
      const lastColumn = Math.min(columns.last, Math.floor((inWidth - 1 + padInfo.left - columnPhase) / strideWidth));
      const count = lastColumn - firstColumn + 1;
      if (count <= 0) return;
      const firstX = firstColumn * strideWidth + columnPhase - padInfo.left;
      const step = strideWidth * inChannels;
      for (let b = 0; b < info.batchSize; b++) {
        for (let r = rows.first; r <= rows.last; r++) {
          const y = r * strideHeight + rowPhase - padInfo.top;
          if (y < 0 || y >= inHeight) continue;
          const source = from + ((b * inHeight + y) * inWidth + firstX) * inChannels;
          const position = (b * rows.pitch + r - rows.first) * columns.pitch + firstColumn - columns.first;
          if (transposed) {
            for (let c = 0; c < inChannels; c++) {
              let read = source + c;
              const target = base + c * size + position;
              for (let k = 0; k < count; k++, read += step) heap[target + k] = heap[read];
            }
          } else if (strideWidth === 1 && copies === 1) {
            heap.copyWithin(base + position * channels, source, source + count * inChannels);
          } else {
            let write = base + position * channels;
            for (let k = 0, read = source; k < count; k++, read += step) {
              for (let c = 0; c < inChannels; c++) {
                for (let m = 0; m < copies; m++) heap[write++] = heap[read + c];
              }
            }
          }
        }
      }
    }),
  );
  return {
    data,
    start: (index, shift) => slack + index * block + (transposed ? shift : shift * channels),
  };
}

/** Lays an output [B, Ho, Wo, K] out on the same grid: [N, K], zeros between. Without gaps it is the tensor itself. */
export function outputFrame(workspace: Workspace, frame: Frame, dy: TensorInfo, info: FrameGeometry): TensorInfo {
  const { rows, columns, size } = frame;
  const { batchSize, outHeight, outWidth } = info;
  const channels = dy.shape[3];
  if (rows.pitch === outHeight && columns.pitch === outWidth) return workspace.reshape(dy, [size, channels]);
  const data = workspace.zeros([size, channels]);
  const heap = workspace.heap();
  const [from, to] = [workspace.start(dy), workspace.start(data)];
  const row = outWidth * channels;
  for (let b = 0; b < batchSize; b++) {
    for (let y = 0; y < outHeight; y++) {
      const source = from + (b * outHeight + y) * row;
      heap.copyWithin(to + (b * rows.pitch + y) * columns.pitch * channels, source, source + row);
    }
  }
  return data;
}
