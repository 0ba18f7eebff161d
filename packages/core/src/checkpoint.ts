import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf, RunError } from './errors.js';
import { diskError, sha256, syncFolder, writeSynced } from './files.js';
import { isHostTensor, type HostTensor, type StateTree } from './host-tensor.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

/**
 * The checkpoints of one run: `checkpoints/000000123/{tensors.safetensors, state.json, digests.json}`, the number being the
 * step. Each is written whole or not at all and read only when its digests hold.
 */
export class Checkpoints {
  readonly #folder: string;
  readonly #keep: number;

  constructor(folder: string, keep: number) {
    this.#folder = folder;
    this.#keep = keep;
  }

  /** Steps that have a checkpoint, ascending. */
  steps(): number[] {
    if (!existsSync(this.#folder)) return [];
    return readdirSync(this.#folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  path(step: number): string {
    return join(this.#folder, String(step).padStart(9, '0'));
  }

  /**
   * Writes a checkpoint and drops what it makes obsolete: all but the last `keep`, those of later steps (of a run that was then
   * resumed at an earlier one), and what a kill left half-written.
   *
   * @returns its path and size in bytes
   * @throws RunError when the disk refuses; earlier checkpoints stay as they are
   */
  write(step: number, state: StateTree): { path: string; bytes: number } {
    const path = this.path(step);
    const temporary = `${path}.tmp`;
    const tensors: Record<string, HostTensor> = {};
    const json = JSON.stringify(extractTensors(state, '', tensors));
    const encoded = encodeSafetensors(tensors);
    const digests = JSON.stringify({ 'state.json': sha256(json), 'tensors.safetensors': sha256(encoded) });
    try {
      rmSync(temporary, { recursive: true, force: true });
      mkdirSync(temporary, { recursive: true });
      writeSynced(join(temporary, 'tensors.safetensors'), encoded);
      writeSynced(join(temporary, 'state.json'), json);
      writeSynced(join(temporary, 'digests.json'), digests);
      syncFolder(temporary);
      // A run resumed at this very step writes it again with the same content.
      rmSync(path, { recursive: true, force: true });
      renameSync(temporary, path);
      syncFolder(this.#folder);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      throw error instanceof RunError ? error : diskError(path, error);
    }
    const kept = this.steps()
      .filter((other) => other <= step)
      .slice(-this.#keep)
      .map((other) => basename(this.path(other)));
    for (const name of readdirSync(this.#folder)) {
      if (/^\d+(\.tmp)?$/.test(name) && !kept.includes(name))
        rmSync(join(this.#folder, name), { recursive: true, force: true });
    }
    return { path, bytes: encoded.length + Buffer.byteLength(json) + digests.length };
  }

  /** @throws RunError naming the file whose digest does not hold */
  read(step: number): StateTree {
    const path = this.path(step);
    const others = this.steps().filter((other) => other !== step);
    const refuse = (file: string, why: string): never => {
      throw new RunError(`checkpoint ${join(path, file)} is damaged: ${why}`, {
        hints:
          others.length > 0
            ? [`intact or not, there are also checkpoints at steps ${others.join(', ')}: resume with --step`]
            : [],
      });
    };
    const read = (file: string): Buffer => {
      try {
        return readFileSync(join(path, file));
      } catch (error) {
        return refuse(file, messageOf(error));
      }
    };
    let digests: Record<string, string> = {};
    try {
      digests = JSON.parse(read('digests.json').toString()) as Record<string, string>;
    } catch (error) {
      if (error instanceof RunError) throw error;
      refuse('digests.json', 'it is not JSON');
    }
    const [json, encoded] = ['state.json', 'tensors.safetensors'].map((file) => {
      const bytes = read(file);
      const actual = sha256(bytes);
      if (actual !== digests[file]) refuse(file, `its sha256 is ${actual}, ${digests[file]} was written`);
      return bytes;
    });
    return insertTensors(JSON.parse(json.toString()) as StateTree, decodeSafetensors(encoded).tensors);
  }
}

/** Bytes of tensors in a state. */
export function stateBytes(state: StateTree): number {
  const tensors: Record<string, HostTensor> = {};
  extractTensors(state, '', tensors);
  return Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** The tree with tensors as `{ $tensor: path }`, collected by path, and numbers JSON does not have as `{ $number: text }`. */
function extractTensors(state: StateTree, path: string, tensors: Record<string, HostTensor>): StateTree {
  if (isHostTensor(state)) {
    tensors[path] = state;
    return { $tensor: path };
  }
  if (Array.isArray(state)) return state.map((item, i) => extractTensors(item, `${path}/${i}`, tensors));
  if (typeof state === 'object' && state !== null) {
    return Object.fromEntries(
      Object.entries(state).map(([key, item]) => [key, extractTensors(item, `${path}/${key}`, tensors)]),
    );
  }
  if (typeof state === 'number' && (!Number.isFinite(state) || Object.is(state, -0))) {
    return { $number: Object.is(state, -0) ? '-0' : String(state) };
  }
  return state;
}

function insertTensors(state: StateTree, tensors: Record<string, HostTensor>): StateTree {
  if (Array.isArray(state)) return state.map((item) => insertTensors(item, tensors));
  if (typeof state !== 'object' || state === null || isHostTensor(state)) return state;
  if (typeof state.$tensor === 'string') return tensors[state.$tensor];
  if (typeof state.$number === 'string') return Number(state.$number);
  return Object.fromEntries(Object.entries(state).map(([key, item]) => [key, insertTensors(item, tensors)]));
}
