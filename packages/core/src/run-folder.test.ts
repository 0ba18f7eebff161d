import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, RunError } from './errors.js';
import type { RunEvent } from './events.js';
import { readLock, readLog, RunFolder } from './run-folder.js';

let parent: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'run-'));
  path = join(parent, 'runs', 'a');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const stepEvent = (step: number): RunEvent => ({
  type: 'step',
  epoch: 0,
  step,
  learningRate: 0.1,
  values: { loss: step },
});
const end: RunEvent = { type: 'run-end', status: 'interrupted', seconds: 1, results: {} };
const logged = () => readLog(path).map((event) => ('step' in event ? event.step : event.type));

describe('RunFolder', () => {
  it('keeps the manifest it was made with', () => {
    RunFolder.create(path, 'name: ä\n').close();
    expect(readLock(path)).toBe('name: ä\n');
    expect(readFileSync(join(path, 'manifest.lock.yaml'), 'utf8')).toMatch(/^# sha256: [0-9a-f]{64}\nname: ä\n$/);
  });

  it('is not made over another run unless that is asked for', () => {
    RunFolder.create(path, 'name: a\n').close();
    mkdirSync(join(path, 'checkpoints', '000000001'), { recursive: true });
    expect(() => RunFolder.create(path, 'name: b\n')).toThrow(InputError);
    expect(readLock(path)).toBe('name: a\n');
    RunFolder.create(path, 'name: b\n', { overwrite: true }).close();
    expect(readLock(path)).toBe('name: b\n');
    expect(existsSync(join(path, 'checkpoints'))).toBe(false);
  });

  it('lets one process in at a time, also to overwrite', () => {
    const folder = RunFolder.create(path, 'name: a\n');
    expect(() => RunFolder.open(path)).toThrow('is in use by process');
    expect(() => RunFolder.create(path, 'name: b\n', { overwrite: true })).toThrow('is in use by process');
    expect(readLock(path)).toBe('name: a\n');
    folder.close();
    RunFolder.open(path).close();
  });

  it('notices an edited manifest and names the file', () => {
    RunFolder.create(path, 'epochs: 3\n').close();
    const file = join(path, 'manifest.lock.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('3', '4'));
    expect(() => RunFolder.open(path)).toThrow(RunError);
    expect(() => RunFolder.open(path)).toThrow(`${file} is damaged or was edited`);
    writeFileSync(file, 'epochs: 3\n');
    expect(() => readLock(path)).toThrow('its first line says nothing');
  });

  it('says when there is no run to open', () => {
    expect(() => RunFolder.open(path)).toThrow(`${path} holds no run`);
  });

  it('says when it cannot be made', () => {
    writeFileSync(join(parent, 'file'), '');
    expect(() => RunFolder.create(join(parent, 'file', 'run'), '')).toThrow(RunError);
  });

  it('logs what is logged, with the time', () => {
    const folder = RunFolder.create(path, '');
    folder.log({ type: 'progress', epoch: 0, step: 0, stepInEpoch: 0, images: 64 });
    folder.log(stepEvent(3));
    folder.close();
    expect(readLog(path)).toEqual([
      { ...stepEvent(3), time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string },
    ]);
  });

  it('leaves out a line that a kill cut off, and writes over it', () => {
    const folder = RunFolder.create(path, '');
    folder.log(stepEvent(1));
    appendFileSync(join(path, 'metrics.jsonl'), '{"type":"step","step":2,"name":"ä');
    expect(logged()).toEqual([1]);
    folder.rewindLog(5);
    folder.log(stepEvent(2));
    folder.close();
    expect(logged()).toEqual([1, 2]);
  });

  it('does not join the next line to one that lacks nothing but its end', () => {
    const folder = RunFolder.create(path, '');
    folder.log(stepEvent(1));
    appendFileSync(join(path, 'metrics.jsonl'), JSON.stringify(stepEvent(2)));
    folder.rewindLog(5);
    folder.log(stepEvent(2));
    folder.close();
    expect(logged()).toEqual([1, 2]);
  });

  it('rewinds its log to a checkpoint: what came later, and the end of the run, go', () => {
    const folder = RunFolder.create(path, '');
    folder.log({ type: 'warning', message: 'ä first' });
    for (const step of [10, 20, 30]) folder.log(stepEvent(step));
    folder.log(end);
    const text = readFileSync(join(path, 'metrics.jsonl'), 'utf8').split('\n');
    folder.rewindLog(30);
    expect(logged()).toEqual(['warning', 10, 20, 30]);
    folder.rewindLog(20);
    expect(readFileSync(join(path, 'metrics.jsonl'), 'utf8')).toBe(`${text.slice(0, 3).join('\n')}\n`);
    folder.rewindLog(-1);
    expect(logged()).toEqual(['warning']);
    folder.close();
  });

  it('goes on without a log that was deleted', () => {
    const folder = RunFolder.create(path, '');
    rmSync(join(path, 'metrics.jsonl'));
    expect(readLog(path)).toEqual([]);
    folder.rewindLog(3);
    folder.log(stepEvent(4));
    folder.close();
    expect(logged()).toEqual([4]);
  });
});
