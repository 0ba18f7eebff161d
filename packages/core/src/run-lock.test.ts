import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';
import { InputError } from './errors.js';
import { lockRunFolder } from './run-lock.js';

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  lock = join(folder, 'run.lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process of its own that holds the lock of `folder`. */
async function holdingProcess(): Promise<ChildProcess> {
  const built = join(folder, 'built');
  mkdirSync(built);
  writeFileSync(join(built, 'package.json'), '{ "type": "module" }');
  for (const name of ['run-lock', 'errors', 'files']) {
    const source = readFileSync(new URL(`./${name}.ts`, import.meta.url), 'utf8');
    const { code } = transformSync(source, { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } });
    writeFileSync(join(built, `${name}.js`), code);
  }
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { lockRunFolder } from ${JSON.stringify(pathToFileURL(join(built, 'run-lock.js')).href)};
      lockRunFolder(${JSON.stringify(folder)});
      setInterval(() => {}, 1000);
      console.log('holding');`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout!, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('lockRunFolder', () => {
  it('lets one in at a time and the next after it', () => {
    const unlock = lockRunFolder(folder);
    expect(() => lockRunFolder(folder)).toThrow(`${folder} is in use by process ${process.pid}`);
    unlock();
    expect(existsSync(lock)).toBe(false);
    lockRunFolder(folder)();
  });

  it('takes over an empty lock and one of nonsense', () => {
    for (const text of ['', '{"pid', 'null', '{}']) {
      writeFileSync(lock, text);
      lockRunFolder(folder)();
    }
  });

  it('keeps out while another process holds it, and takes over when that is killed', async () => {
    const child = await holdingProcess();
    try {
      expect(() => lockRunFolder(folder)).toThrow(InputError);
      expect(() => lockRunFolder(folder)).toThrow(`${folder} is in use by process ${child.pid}`);
    } finally {
      await kill(child);
    }
    expect(existsSync(lock)).toBe(true);
    lockRunFolder(folder)();
  });

  (existsSync('/proc/self/stat') ? it : it.skip)('takes over from a pid that now is another process', async () => {
    const child = await holdingProcess();
    try {
      const holder = JSON.parse(readFileSync(lock, 'utf8')) as object;
      for (const other of [
        { ...holder, started: '1' },
        { ...holder, bootId: 'an earlier boot' },
      ]) {
        writeFileSync(lock, JSON.stringify(other));
        lockRunFolder(folder)();
      }
      writeFileSync(lock, JSON.stringify(holder));
      expect(() => lockRunFolder(folder)).toThrow('in use by');
    } finally {
      await kill(child);
    }
  });
});
