import { resolve } from 'node:path';
import {
  type HostTensor,
  InputError,
  messageOf,
  nearestHint,
  readInputFile,
  RunError,
  sha256 as digestOf,
  type TeacherContext,
} from '@retort/core';
import { openOnnxSession, type OnnxPlan, type OnnxSession, type OnnxValue } from './onnx-session.js';

/** An ONNX file in a thread of its own, with the file's name in everything that it says. */
export interface OnnxGraph extends OnnxSession {
  file: string;
  bytes: number;
  fingerprint: string;
  /** What of the graph is run from now on. */
  plan(plan: OnnxPlan): Promise<void>;
}

/** @throws InputError when there is no such file, or none that onnxruntime can read */
export async function openOnnxGraph(
  { path, sha256, threads, layout }: { path: string; sha256?: string; threads: number; layout: 'nchw' | 'nhwc' },
  { id, baseFolder, path: where }: TeacherContext,
): Promise<OnnxGraph> {
  const file = resolve(baseFolder, path);
  const bytes = await readInputFile(file, { where, expected: sha256 });
  const session = await openOnnxSession(bytes, { name: `teacher "${id}" (${file})`, threads, layout }).catch(
    (error: unknown) => {
      if (error instanceof RunError) throw error;
      throw new InputError(`${file} is no ONNX model that onnxruntime can read: ${messageOf(error)}`, {
        hints: [`it has ${bytes.length} bytes; was the copy cut off, or are its weights in another file?`],
        where,
        cause: error,
      });
    },
  );
  const infer = (input: HostTensor) =>
    session.infer(input).catch((error: unknown) => {
      if (error instanceof RunError) throw error;
      throw new RunError(`teacher "${id}" (${file}): onnxruntime: ${messageOf(error)}`, { where, cause: error });
    });
  return { ...session, infer, file, bytes: bytes.length, fingerprint: digestOf(bytes) };
}

/**
 * @param wanted its name; may be left out where there is one input only
 * @param of what it takes, and the option that names it, for errors
 */
export function chooseInput(
  { inputs, file }: OnnxGraph,
  wanted: string | undefined,
  { of, option, where }: { of: string; option: string; where: string },
): OnnxValue {
  const names = inputs.map(({ name }) => name);
  if (wanted === undefined && inputs.length > 1) {
    throw new InputError(`${file} has ${inputs.length} inputs`, {
      hints: [`name that of the ${of}: ${option}: ${names.join(' | ')}`],
      where,
    });
  }
  const input = wanted === undefined ? inputs[0] : inputs.find(({ name }) => name === wanted);
  if (!input) {
    throw new InputError(`${file} has no input "${wanted}"`, { hints: [nearestHint(wanted ?? '', names)], where });
  }
  return input;
}

export function isFixed(size: number | string | undefined): size is number {
  return typeof size === 'number' && size > 0;
}
