import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { retort as retortIn, type RetortOptions } from './test-support/retort.js';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'retort-cli-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const retort = (args: string[], options: Partial<RetortOptions> = {}) => retortIn(args, { cwd: folder, ...options });

const tiny = `name: tiny
dataset: { use: scenes, classes: 3, size: 16, train: 96, test: 30, batchSize: 16, validation: 0.2 }
student: { use: small-cnn, width: 4 }
trainer:
  use: mtkd
  epochs: 2
  optimizer: { use: sgd, momentum: 0.9 }
  weighting: none
losses:
  - { id: task, use: cross-entropy }
metrics: [top-1]
`;

const kdrl = `name: two-stages
dataset: { use: scenes, classes: 3, size: 16, train: 96, test: 30, batchSize: 16, validation: 0.2 }
student: { use: small-cnn, width: 4 }
trainer:
  use: kdrl
  stage2:
    algorithm: ppo
    rewards:
      - confidence
      - { use: cluster-cosine, weight: 0.5 }
losses:
  - { id: task, use: cross-entropy }
metrics: [top-1]
`;

function write(file: string, text: string): void {
  writeFileSync(join(folder, file), text);
}

describe('help', () => {
  it('is there at once, for the whole and for every command, with examples', async () => {
    const { code, stdout } = await retort(['--help']);
    expect(code).toBe(0);
    const commands = [
      'quickstart',
      'init',
      'validate',
      'train',
      'resume',
      'eval',
      'play',
      'predict',
      'embed',
      'export',
      'list',
      'compare',
      'report',
      'doctor',
      'schema',
    ];
    for (const command of commands) {
      expect(stdout).toContain(`  ${command} `);
      const help = await retort([command, '--help']);
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toMatch(new RegExp(`Examples:\\n  \\$ retort ${command}`));
    }
  });

  it('and the version need nothing but the command itself', async () => {
    const began = performance.now();
    const { stdout } = await retort(['--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
    // 0.1 s on a machine at rest; loading tfjs alone takes longer than that.
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('is pointed to by mistakes in the command itself, with exit code 2', async () => {
    expect(await retort(['tran'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("retort: unknown command 'tran'\n(Did you mean train?)"),
    });
    expect(await retort(['train'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("missing required argument 'manifest'"),
    });
    expect(await retort(['train', 'a.yaml', '--overwrit'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--overwrite'),
    });
    expect(await retort(['resume', 'a', '--step', 'two'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('whole number'),
    });
    expect(await retort(['eval', 'a', '--split', 'tset'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('train, validation, test'),
    });
  });
});

describe('list', () => {
  it('shows every part, and the options of a kind with their defaults', async () => {
    const all = await retort(['list']);
    for (const part of [
      'scenes',
      'captioned-scenes',
      'words',
      'cifar-resnet',
      'clip',
      'onnx',
      'fitnet',
      'info-nce',
      'ppo',
      'gradient-alignment',
      'cluster-cosine',
      'grpo',
      'calibration-error',
      'retrieval',
      'mtkd',
      'kdrl',
      'wasm',
      'sgd',
      'cosine',
    ]) {
      expect(all.stdout).toContain(` ${part} `);
    }
    const losses = await retort(['list', 'loss']);
    expect(losses.stdout).toContain('temperature: number > 0, default 4');
    const json = JSON.parse((await retort(['list', 'agent', '--json'])).stdout) as { name: string }[];
    expect(json.map(({ name }) => name)).toEqual(['pg', 'ppo', 'grpo', 'reinforce', 'dqn', 'dpg', 'ddpg', 'td3']);
  });

  it('shows one part, and what is inside its options', async () => {
    const { code, stdout } = await retort(['list', 'trainer', 'kdrl']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^kdrl {2}\(@retort\/trainer-kdrl\)\n/);
    expect(stdout).toContain('    stage1.optimizer: optimizer, default {"use":"adamw"');
    expect(stdout).toContain('    stage2.algorithm: objective, default "reinforce"');
    expect(stdout).toContain('    stage2.anneal.to: number ≥ 0 ≤ 1, default 0.1');
    expect(await retort(['list', 'trainer', 'kdlr'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no trainer is called "kdlr"\n  did you mean "kdrl"?'),
    });
  });

  it('names the nearest kind', async () => {
    expect(await retort(['list', 'los'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('did you mean "loss"?'),
    });
  });
});

describe('bad input', () => {
  beforeAll(() => {
    write('tiny.yaml', tiny);
    write('kdrl.yaml', kdrl);
  });
  afterAll(() => rmSync(join(folder, 'kdrl.yaml')));

  it.each([
    ['a missing file', ['train', 'none.yaml'], 'no such manifest: none.yaml'],
    [
      'an unknown key of a part in a part',
      ['train', 'tiny.yaml', '--set', 'trainer.optimizer.momentumm=1'],
      'trainer.optimizer.momentumm: unknown key; did you mean "momentum"?',
    ],
    [
      'an unknown part',
      ['train', 'tiny.yaml', '--set', 'student.use=small-cn'],
      'no student is called "small-cn"; did you mean "small-cnn"?',
    ],
    ['an unknown backend', ['train', 'tiny.yaml', '--set', 'backend=wasn'], 'did you mean "wasm"?'],
    [
      'an unknown option of a backend',
      ['train', 'tiny.yaml', '--set', 'backend=onnxruntime', '--set', 'backend.thread=2'],
      'backend.thread: unknown key; did you mean "threads"?',
    ],
    [
      'an unknown key inside a list in an object',
      ['train', 'kdrl.yaml', '--set', 'trainer.stage2.rewards.1.weigth=2'],
      'trainer.stage2.rewards[1].weigth: unknown key; did you mean "weight"?',
    ],
    [
      'an unknown part inside an object',
      ['train', 'kdrl.yaml', '--set', 'trainer.stage2.algorithm=pp'],
      'trainer.stage2.algorithm.use: no objective is called "pp"; did you mean "ppo"?',
    ],
    ['a folder without a run', ['resume', '.'], 'holds no run'],
    ['a report of nothing', ['report', '.'], 'holds no run'],
  ])('%s is told in a line, with exit code 2, and nothing is written', async (_, args, message) => {
    const { code, stdout, stderr } = await retort(args);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^retort: /);
    expect(stderr).not.toContain('    at ');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(readdirSync(folder).sort()).toEqual(['kdrl.yaml', 'tiny.yaml']);
  });

  it('is placed in the file', async () => {
    write('wrong.yaml', tiny.replace('epochs: 2', 'epochs: 2\n  epocs: 3'));
    expect((await retort(['train', 'wrong.yaml'])).stderr).toMatch(/did you mean "epochs"\?.*\n {2}wrong\.yaml:7\n$/);
    write('wrong.yaml', tiny.replace('name: tiny', "name: tiny\ndescription: '${RETORT_NOT_SET}'"));
    expect((await retort(['train', 'wrong.yaml'])).stderr).toMatch(
      /RETORT_NOT_SET is not set\n.*\n {2}wrong\.yaml:2\n$/,
    );
    write('wrong.yaml', kdrl.replace('weight: 0.5', 'weigth: 0.5'));
    expect((await retort(['train', 'wrong.yaml'])).stderr).toMatch(
      /rewards\[1\]\.weigth: unknown key; did you mean "weight"\?.*\n {2}wrong\.yaml:10\n$/,
    );
    write('wrong.yaml', kdrl.replace('ppo', '{ use: ppo, clip: wide }'));
    expect((await retort(['train', 'wrong.yaml'])).stderr).toMatch(
      /trainer\.stage2\.algorithm\.clip: expected number; got "wide"\n {2}wrong\.yaml:7\n$/,
    );
    rmSync(join(folder, 'wrong.yaml'));
  });

  it('shows its stack with --debug', async () => {
    expect((await retort(['train', 'none.yaml', '--debug'])).stderr).toMatch(/\n\s+at .*manifest-source/);
  });
});

describe('a run', () => {
  beforeAll(() => write('tiny.yaml', tiny));

  it('is validated, trained, evaluated, reported and used', async () => {
    const validated = await retort(['validate', 'tiny.yaml']);
    expect(validated.code).toBe(0);
    expect(validated.stdout).toMatch(/student\s+small-cnn\s+width: 4/);
    expect(validated.stdout).toMatch(/parameters\s+1,\d\d\d/);
    expect(validated.stdout).toMatch(/MACs\s+[\d,]+ for one image/);
    expect(validated.stdout).toMatch(/time\s+about .* s on this machine/);
    expect(readdirSync(folder)).not.toContain('runs');

    const trained = await retort(['train', 'tiny.yaml', '--set', 'seed=3']);
    expect(trained).toMatchObject({ code: 0 });
    expect(trained.stderr).toMatch(/backend \w+: .*\ntiny: 1,\d\d\d parameters, no teachers, 2 epochs of 5 steps/);
    expect(trained.stderr).toMatch(/\nepoch 2\/2 · loss .* · validation top-1 .* images\/s\n/);
    expect(trained.stdout).toMatch(/test\/top-1 +\d+\.\d % +\d+\.\d %/);
    expect(readFileSync(join(folder, 'runs/tiny/manifest.lock.yaml'), 'utf8')).toContain('\nseed: 3\n');
    expect(readFileSync(join(folder, 'runs/tiny/report.html'), 'utf8')).toContain('<!doctype html>');

    const again = await retort(['train', 'tiny.yaml']);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/holds a run already\n.*retort resume/) });

    const evaluated = JSON.parse((await retort(['eval', 'runs/tiny', '--json'])).stdout) as {
      values: { 'top-1': number };
    };
    expect(evaluated.values['top-1']).toBeGreaterThan(0.1);
    const best = new RegExp(`test/top-1 +\\d+\\.\\d % +${(evaluated.values['top-1'] * 100).toFixed(1)} %`);
    expect(trained.stdout).toMatch(best);

    mkdirSync(join(folder, 'photos/more'), { recursive: true });
    const picture = (color: string) => sharp({ create: { width: 40, height: 30, channels: 3, background: color } });
    await picture('red').png().toFile(join(folder, 'photos/red.png'));
    await picture('blue').jpeg().toFile(join(folder, 'photos/more/blue, dark.jpg'));
    const predicted = await retort(['predict', 'photos', '--student', 'runs/tiny', '--json']);
    const predictions = JSON.parse(predicted.stdout) as {
      file: string;
      class: string;
      probabilities: Record<string, number>;
    }[];
    expect(predictions.map(({ file }) => file)).toEqual(['more/blue, dark.jpg', 'red.png']);
    for (const { class: name, probabilities } of predictions) {
      expect(Object.values(probabilities).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(probabilities[name]).toBe(Math.max(...Object.values(probabilities)));
    }
    const csv = await retort(['predict', 'photos', '--student', 'runs/tiny/student/last', '--csv']);
    expect(csv.stdout.split('\n')[1]).toMatch(/^"more\/blue, dark\.jpg",[\w -]+(,[01]\.\d{6}){3}$/);
    expect(await retort(['predict', 'photos', '--student', 'runs/tiny'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('probability'),
    });

    expect(await retort(['report', 'runs/tiny', 'runs/tiny', '-o', 'both.html'])).toMatchObject({
      code: 0,
      stdout: 'both.html\n',
    });
  });

  it('of two stages is validated with the options of each', async () => {
    write('kdrl.yaml', kdrl);
    const { code, stdout } = await retort(['validate', 'kdrl.yaml', '--set', 'trainer.stage2.rewards=[]']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/trainer +kdrl +stage1\.epochs: 20, stage1\.optimizer: adamw, stage1\.schedule: cosine/);
    expect(stdout.replace(/\s+/g, ' ')).toContain('stage2.algorithm: ppo, stage2.rewards: [], stage2.gradient: score,');
    rmSync(join(folder, 'kdrl.yaml'));
  });

  it('is put on the backend that is asked for, with its options', async () => {
    const told = async (...settings: string[]) =>
      (await retort(['validate', 'tiny.yaml', ...settings.flatMap((setting) => ['--set', setting])])).stderr;
    expect(await told()).toMatch(/backend onnxruntime: fastest that works; onnxruntime 1\.\d+\.\d+, 1 thread; not /);
    expect(await told('backend.threads=2')).toMatch(/backend onnxruntime: fastest that works; .*, 2 threads; not /);
    expect(await told('backend=wasm')).toContain('backend wasm: asked for; tfjs wasm');
  });

  it('stopped by Ctrl-C is saved, says how to go on, and ends as if it had not been stopped', async () => {
    const args = (name: string) => ['train', 'tiny.yaml', '--set', 'trainer.epochs=12', '--folder', name, '--json'];
    const whole = await retort(args('whole'));
    const stopped = await retort(args('stopped'), { interrupt: { when: /epoch 2\/12/, signal: 'SIGINT' } });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('stopping after this step');
    expect(stopped.stderr).toContain('retort resume stopped');
    expect(JSON.parse(stopped.stdout)).toMatchObject({ status: 'interrupted' });
    const resumed = await retort(['resume', 'stopped', '--json']);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toMatch(/going on at epoch \d/);
    const results = (text: string) => (JSON.parse(text) as { results: object }).results;
    expect(results(resumed.stdout)).toEqual(results(whole.stdout));
    expect(readFileSync(join(folder, 'stopped/student/last/weights.bin'))).toEqual(
      readFileSync(join(folder, 'whole/student/last/weights.bin')),
    );
  });

  it('told to be quiet prints its results and nothing else', async () => {
    const { stdout, stderr } = await retort(['train', 'tiny.yaml', '--quiet', '--folder', 'quiet']);
    expect(stderr).toBe('');
    expect(stdout).toContain('test/top-1');
  });
});

describe('init', () => {
  it('writes manifests that are valid, and leaves files alone that are there', async () => {
    const first = await retort(['init', 'mine']);
    expect(first.code).toBe(0);
    expect(readdirSync(join(folder, 'mine')).sort()).toEqual([
      'manifest.schema.json',
      'manifest.yaml',
      'policy.yaml',
      'teacher.yaml',
      'two-stages.yaml',
    ]);
    write('mine/manifest.yaml', 'changed: true\n');
    expect((await retort(['init', 'mine'])).stdout).toMatch(/manifest\.yaml +is there already/);
    expect(readFileSync(join(folder, 'mine/manifest.yaml'), 'utf8')).toBe('changed: true\n');
    const validated = await retort([
      'validate',
      'mine/teacher.yaml',
      '--set',
      'dataset.train=64',
      '--set',
      'dataset.test=9',
    ]);
    expect(validated).toMatchObject({ code: 0 });
    const small = ['trainer.horizon=8', 'trainer.episodes=1', 'agent.batchSize=8', 'environment.timeLimit=20'];
    const acting = await retort(['validate', 'mine/policy.yaml', ...small.flatMap((setting) => ['--set', setting])]);
    expect(acting).toMatchObject({ code: 0, stdout: expect.stringMatching(/environment +cart-pole +timeLimit: 20\n/) });
  });
});

it('the committed JSON schema is current: npm run generate-schema', async () => {
  const committed = readFileSync(fileURLToPath(new URL('../manifest.schema.json', import.meta.url)), 'utf8');
  expect(JSON.parse((await retort(['schema'])).stdout)).toEqual(JSON.parse(committed));
});
