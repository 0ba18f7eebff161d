import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { InputError } from '@retort/core';
import { jobsOf } from './grid-jobs.js';
import { parseSeeds, type ProtocolOptions, readProtocol } from './grid-protocol.js';

const folder = mkdtempSync(join(tmpdir(), 'retort-protocol-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
function write(name: string, text: string): string {
  mkdirSync(join(path(name), '..'), { recursive: true });
  writeFileSync(path(name), text);
  return path(name);
}
const options = (given: Partial<ProtocolOptions> = {}): ProtocolOptions => ({ arm: [], set: [], ...given });

const manifest = write('student.yaml', 'name: student\n');
const other = write('other.yaml', 'name: other\n');

describe('parseSeeds', () => {
  it.each([
    ['1..5', [1, 2, 3, 4, 5]],
    ['3', [3]],
    ['1,2,7', [1, 2, 7]],
    ['0..2, 9', [0, 1, 2, 9]],
    ['4..4', [4]],
  ])('reads %s', (text, seeds) => expect(parseSeeds(text, '--seeds')).toEqual(seeds));

  it.each([
    ['5..1', 'seeds: 5..1 runs backwards'],
    ['1-5', 'seeds: cannot read "1-5"'],
    ['', 'seeds: cannot read ""'],
    ['1,,2', 'seeds: cannot read "1,,2"'],
    ['-1..3', 'seeds: cannot read "-1..3"'],
    ['1..99999', 'seeds: 1..99999 are 99999 runs of every arm'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parseSeeds(text, '--seeds')).toThrow(InputError);
    expect(() => parseSeeds(text, '--seeds')).toThrow(message);
  });
});

describe('one manifest', () => {
  it('has variants', () => {
    const { name, baseline, metric, arms } = readProtocol(
      [manifest],
      options({
        arm: [
          'none=trainer.weighting=none',
          'both=trainer.weighting=agent,agent={ use: ppo, epochs: 2 },x.y=[1, 2]',
          'as-is',
        ],
        seeds: '1..2',
        set: ['trainer.epochs=1'],
      }),
    );
    expect({ name, baseline, metric }).toEqual({ name: 'student', baseline: 'none', metric: undefined });
    expect(arms).toEqual([
      { name: 'none', manifest, settings: ['trainer.epochs=1', 'trainer.weighting=none'], seeds: [1, 2] },
      {
        name: 'both',
        manifest,
        settings: ['trainer.epochs=1', 'trainer.weighting=agent', 'agent={ use: ppo, epochs: 2 }', 'x.y=[1, 2]'],
        seeds: [1, 2],
      },
      { name: 'as-is', manifest, settings: ['trainer.epochs=1'], seeds: [1, 2] },
    ]);
  });

  it('alone is an arm too, with five seeds', () => {
    expect(readProtocol([manifest], options()).arms).toEqual([
      { name: 'student', manifest, settings: [], seeds: [1, 2, 3, 4, 5] },
    ]);
  });
});

describe('several manifests', () => {
  it('are arms by their names', () => {
    const { name, arms, baseline } = readProtocol([manifest, other], options({ baseline: 'other' }));
    expect({ name, baseline }).toEqual({ name: 'student-vs-other', baseline: 'other' });
    expect(arms.map((arm) => [arm.name, arm.manifest])).toEqual([
      ['student', manifest],
      ['other', other],
    ]);
  });
});

describe('a protocol', () => {
  it('of the short form reads manifests from its own folder', () => {
    write('short/student.yaml', 'name: student\n');
    const file = write(
      'short/protocol.yaml',
      'manifest: student.yaml\nseeds: [3, 1]\narms:\n  none: [trainer.weighting=none]\n  agent: []\nbaseline: agent\n',
    );
    const { name, baseline, arms } = readProtocol([file], options());
    expect({ name, baseline }).toEqual({ name: 'short', baseline: 'agent' });
    expect(arms).toEqual([
      {
        name: 'none',
        manifest: relative(process.cwd(), path('short/student.yaml')),
        settings: ['trainer.weighting=none'],
        seeds: [3, 1],
      },
      { name: 'agent', manifest: relative(process.cwd(), path('short/student.yaml')), settings: [], seeds: [3, 1] },
    ]);
  });

  it('gives arms seeds and manifests of their own', () => {
    const file = write(
      'long.yaml',
      `name: long-one
manifest: student.yaml
seeds: 1..2
metric: nll
arms:
  baseline: { seeds: 1..4 }
  wide: { manifest: other.yaml, set: [student.width=8] }
`,
    );
    const protocol = readProtocol([file], options());
    expect(protocol).toMatchObject({ name: 'long-one', metric: 'nll', baseline: 'baseline' });
    expect(protocol.arms.map(({ settings, seeds }) => ({ settings, seeds }))).toEqual([
      { settings: [], seeds: [1, 2, 3, 4] },
      { settings: ['student.width=8'], seeds: [1, 2] },
    ]);
    // Seed by seed, so that pairs are complete early.
    expect(jobsOf(protocol.arms).map(({ number, id }) => `${number} ${id}`)).toEqual([
      '0 baseline-seed-1',
      '1 wide-seed-1',
      '2 baseline-seed-2',
      '3 wide-seed-2',
      '4 baseline-seed-3',
      '5 baseline-seed-4',
    ]);
  });
});

describe('bad input', () => {
  const protocol = (text: string) => [write('bad.yaml', text)];
  it.each([
    ['a missing file', () => readProtocol(['none.yaml'], options()), 'no such file: none.yaml'],
    [
      'an unknown baseline',
      () => readProtocol([manifest, other], options({ baseline: 'othr' })),
      'no arm is called "othr"; did you mean "other"?',
    ],
    ['two arms of one name', () => readProtocol([manifest, manifest], options()), 'two arms are called "student"'],
    [
      'two variants of one name',
      () => readProtocol([manifest], options({ arm: ['a=x=1', 'a=x=2'] })),
      'two arms are called "a"',
    ],
    [
      'a variant that is no setting',
      () => readProtocol([manifest], options({ arm: ['trainer.weighting=none'] })),
      '"none" is no setting',
    ],
    [
      'a variant without a name',
      () => readProtocol([manifest], options({ arm: ['=x=1'] })),
      'an arm cannot be called ""',
    ],
    [
      'a variant that would leave the folder',
      () => readProtocol([manifest], options({ arm: ['../a=x=1'] })),
      'an arm cannot be called "../a"',
    ],
    [
      'a seed among the settings',
      () => readProtocol([manifest], options({ arm: ['a=seed=1'] })),
      'seed is set by the comparison',
    ],
    [
      'variants of several manifests',
      () => readProtocol([manifest, other], options({ arm: ['a'] })),
      'several were named',
    ],
    [
      'seeds that are there twice',
      () => readProtocol([manifest], options({ seeds: '1..3,2' })),
      'seeds: 2 is there twice',
    ],
    [
      'seeds beside a protocol',
      () => readProtocol(protocol('manifest: student.yaml\narms: { a: [] }'), options({ seeds: '1' })),
      '--seeds cannot be given beside a protocol',
    ],
    [
      'a protocol beside a manifest',
      () => readProtocol([...protocol('manifest: student.yaml\narms: { a: [] }'), manifest], options()),
      'is compared alone',
    ],
    [
      'a protocol without a manifest',
      () => readProtocol(protocol('arms: { a: [] }'), options()),
      'arms.a: which manifest?',
    ],
    [
      'a protocol whose manifest is missing',
      () => readProtocol(protocol('manifest: no.yaml\narms: { a: [] }'), options()),
      'no such manifest: no.yaml',
    ],
    [
      'a protocol without arms',
      () => readProtocol(protocol('manifest: student.yaml\narms: {}'), options()),
      'arms: at least one',
    ],
    [
      'an arm that goes on from none before it',
      () => readProtocol(protocol('manifest: student.yaml\narms: { a: ["x=${run:b}"], b: [] }'), options()),
      '${run:b} is the run of no arm before it',
    ],
    [
      'an arm that goes on from one with fewer seeds',
      () =>
        readProtocol(protocol('manifest: student.yaml\narms: { a: { seeds: 1..2 }, b: ["x=${run:a}"] }'), options()),
      'a, which it goes on from, has no seed 3',
    ],
    [
      'a protocol with a list of arms',
      () => readProtocol(protocol('manifest: student.yaml\narms: [a]'), options()),
      'arms: expected a map',
    ],
    [
      'a misspelled key',
      () => readProtocol(protocol('manifest: student.yaml\nbase: a\narms: { a: [] }'), options()),
      'base: unknown key',
    ],
    [
      'an arm that is no list',
      () => readProtocol(protocol('manifest: student.yaml\narms: { a: x=1 }'), options()),
      'arms.a: expected a list of settings',
    ],
    [
      'an arm that is there twice',
      () => readProtocol(protocol('manifest: student.yaml\narms: { a: [], a: [] }'), options()),
      'Map keys must be unique',
    ],
    [
      'negative seeds',
      () => readProtocol(protocol('manifest: student.yaml\nseeds: [-1]\narms: { a: [] }'), options()),
      'seeds: expected 1..5, or a list',
    ],
  ])('%s is told', (_, read, message) => {
    expect(read).toThrow(InputError);
    expect(read).toThrow(message);
  });
});
