import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, RunError } from './errors.js';
import { readInputFile, sha256, writeSynced, writeWhole } from './files.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'files-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('sha256 is that of the standard', () => {
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

describe('writeWhole', () => {
  it('replaces a file and leaves nothing beside it', () => {
    const path = join(folder, 'a.txt');
    writeWhole(path, 'one');
    writeWhole(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(folder)).toEqual(['a.txt']);
  });

  (existsSync('/dev/full') ? it : it.skip)('leaves the old file as it was when the disk is full', () => {
    const path = join(folder, 'a.txt');
    writeWhole(path, 'one');
    symlinkSync('/dev/full', join(folder, '.a.txt.tmp'));
    expect(() => writeWhole(path, 'two')).toThrow(/^no space left on the disk while writing .*a\.txt/);
    expect(readFileSync(path, 'utf8')).toBe('one');
    expect(readdirSync(folder)).toEqual(['a.txt']);
    expect(lstatSync('/dev/full').isCharacterDevice()).toBe(true);
  });

  it('names a path that cannot be written', () => {
    const path = join(folder, 'none', 'a.txt');
    expect(() => writeSynced(path, '')).toThrow(RunError);
    expect(() => writeSynced(path, '')).toThrow(`cannot write ${path}`);
  });
});

describe('readInputFile', () => {
  it('checks the digest it is given', async () => {
    const path = join(folder, 'abc');
    writeFileSync(path, 'abc');
    expect((await readInputFile(path, { expected: sha256('abc').toUpperCase() })).toString()).toBe('abc');
    await expect(readInputFile(path, { expected: sha256('abd') })).rejects.toThrow(
      'is not the file the manifest asks for',
    );
  });

  it('names a file that is missing and where it was asked for', async () => {
    const error = await readInputFile(join(folder, 'none'), { where: 'a.yaml:3' }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).text).toBe(`no such file: ${join(folder, 'none')}\n  a.yaml:3`);
  });
});
