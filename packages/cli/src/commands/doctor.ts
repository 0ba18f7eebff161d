import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { backendPreference, createRegistry, messageOf } from '@retort/core';
import { plugins } from '../plugins.js';
import type { Probe } from '../probe-backend.js';
import type { Terminal } from '../terminal.js';
import { bytes, count, plain, table } from '../text.js';

const packages = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm', 'onnxruntime-node', 'sharp'];

export async function doctor(terminal: Terminal): Promise<number> {
  const registry = createRegistry(plugins);
  const names = registry.list('backend').flatMap(({ part }) => (part.name === 'auto' ? [] : [part.name]));
  const order = (name: string) => (backendPreference as readonly string[]).indexOf(name);
  names.sort((a, b) => order(a) - order(b));

  const system = {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processors: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    memory: bytes(totalmem()),
  };
  const versions = Object.fromEntries(packages.map((name) => [name, versionOf(name) ?? 'not found']));
  if (!terminal.json) {
    terminal.print(table([], Object.entries({ ...system, ...versions })));
    terminal.note(`\ntesting ${names.length} backends, each in a process of its own …`);
  }
  const probes: Record<string, Probe> = {};
  // One after the other: side by side they would slow each other down.
  for (const name of names) probes[name] = await probe(name);
  const chosen = names.find((name) => probes[name].starts);
  if (terminal.json) {
    terminal.print(JSON.stringify({ ...system, versions, backends: probes, auto: chosen }, undefined, 2));
  } else {
    const rows = names.flatMap((name) => {
      const result = probes[name];
      if (!result.starts) return [[name, 'no', '', result.reason]];
      const { imagesPerSecond, description, details } = result;
      const speed = `${imagesPerSecond < 10 ? plain(imagesPerSecond) : count(imagesPerSecond)} images/s`;
      return [[name, 'starts', speed, description], ...details.map((line) => ['', '', '', line])];
    });
    terminal.print(`\n${table(['backend', 'starts', 'speed test', ''], rows, [2])}`);
    terminal.note(
      '\nspeed test: two seconds of training steps of two 3 x 3 convolutions, 16 channels, 32 x 32 pixels' +
        (chosen ? `\nbackend: auto takes ${chosen}` : ''),
    );
  }
  return chosen ? 0 : 1;
}

/** A backend may take its whole process down: a native library that does not fit, an illegal instruction. */
async function probe(name: string): Promise<Probe> {
  const script = fileURLToPath(new URL('../probe-backend.js', import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script, name], { timeout: 60_000 });
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as Probe;
  } catch (error) {
    const { killed, signal, code } = error as { killed?: boolean; signal?: string; code?: number | string };
    const reason = killed
      ? 'did not answer within 60 s'
      : signal
        ? `its process was ended by ${signal}`
        : typeof code === 'number'
          ? `its process failed with exit code ${code}`
          : messageOf(error);
    return { starts: false, reason };
  }
}

/** Version of an installed package, found from here without loading it. */
function versionOf(name: string): string | undefined {
  const { resolve } = createRequire(import.meta.url);
  for (const folder of resolve.paths(name) ?? []) {
    try {
      return (JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')) as { version: string }).version;
    } catch {
      // not in this node_modules folder
    }
  }
  return undefined;
}
