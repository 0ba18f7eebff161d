import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeSafetensors } from '@retort/core';
import sharp from 'sharp';
import { retort as retortIn } from './test-support/retort.js';

const folder = mkdtempSync(join(tmpdir(), 'retort-play-'));
afterAll(() => rmSync(folder, { recursive: true }));

const retort = (...args: string[]) => retortIn(args, { cwd: folder });
const path = (...names: string[]) => join(folder, ...names);

const teacher = `name: big
backend: wasm
seed: 3
environment: { use: cart-pole, timeLimit: 40 }
student: { use: policy-mlp, hidden: [16] }
agent: { use: ppo, batchSize: 32 }
trainer: { use: reinforcement, steps: 256, environments: 4, horizon: 16, evaluations: 2, episodes: 4 }
`;
const student = `name: small
backend: wasm
environment: { use: cart-pole, timeLimit: 40 }
student: { use: policy-mlp, hidden: [4], value: shared }
teachers: [{ id: large, use: run, path: runs/big }]
agent: { use: ppo, batchSize: 32 }
losses: [{ id: kd, use: kd }]
trainer:
  { use: reinforcement, steps: 128, environments: 4, horizon: 16, evaluations: 1, episodes: 2, guidance: { share: 0.5 } }
`;
const pendulum = `name: swing
backend: wasm
environment: { use: pendulum, timeLimit: 10 }
student: { use: policy-mlp, hidden: [4] }
agent: { use: ppo, batchSize: 32 }
trainer: { use: reinforcement, steps: 64, environments: 4, horizon: 16, evaluations: 1, episodes: 2 }
`;
const images = `name: images
backend: wasm
dataset: { use: scenes, classes: 3, size: 16, train: 32, test: 16, batchSize: 16 }
student: { use: small-cnn, width: 4 }
trainer: { use: mtkd, epochs: 1, weighting: none }
losses: [{ id: task, use: cross-entropy }]
metrics: [top-1]
`;

let trained: { stdout: string; stderr: string };
beforeAll(async () => {
  for (const [name, text] of Object.entries({ teacher, student, pendulum, images })) {
    writeFileSync(path(`${name}.yaml`), text);
  }
  for (const name of ['teacher', 'pendulum', 'images', 'student']) {
    const ended = await retort('train', `${name}.yaml`);
    if (ended.code !== 0) throw new Error(ended.stderr);
    trained = ended;
  }
}, 240_000);

interface Played {
  environment: string;
  policies: { name: string; return: number; episodes: { return: number; length: number; terminated: boolean }[] }[];
}

describe('a run that acts', () => {
  it('is told in environment steps and returns', () => {
    expect(trained.stderr).toMatch(/small: \d+ parameters, 1 teacher \(large\), .*, 64 environment steps each/);
    expect(trained.stderr).toMatch(/return \S+ · validation return \S+ · [\d,]+ environment steps\/s/);
    expect(trained.stdout).toMatch(/\ntest\/return +\d+(\.\d+)? +\d+/);
    expect(trained.stdout).not.toContain('%');
  });

  it('has its student beside its teacher in the run folder and in its report, from the same start', async () => {
    const { episodes } = JSON.parse(readFileSync(path('runs/small/student-play.json'), 'utf8')) as {
      episodes: { name: string; return: number; length: number }[];
    };
    expect(episodes.map(({ name }) => name)).toEqual(['student', 'large']);
    for (const one of episodes) expect(one.return).toBe(one.length);
    const gif = await sharp(path('runs/small/student-play.gif'), { animated: true }).metadata();
    expect([gif.width, gif.pageHeight]).toEqual([608, 200]);
    // A second more in which the end stands still.
    expect(gif.pages).toBe(Math.max(...episodes.map(({ length }) => length)) + 20);
    const report = readFileSync(path('runs/small/report.html'), 'utf8');
    expect(report).toContain(readFileSync(path('runs/small/student-play.gif')).toString('base64'));
    expect(report).toContain(`large: return ${episodes[1].return} in ${episodes[1].length} steps`);
    expect(existsSync(path('runs/images/student-play.gif'))).toBe(false);
  });
});

describe('retort play', () => {
  it('plays episodes and prints their returns; the same ones for the same seed', async () => {
    const { code, stdout, stderr } = await retort('play', 'runs/big', '--episodes', '2');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '\ncart-pole {"timeLimit":40}\n' });
    expect(stdout).toMatch(
      /^policy +episode +return +steps +end\n─[─ ]+\nbig +1 +(\d+) +\1 +(terminated|time limit)\n +2 /,
    );
    expect(stdout).not.toContain('\x1b');
    expect((await retort('play', 'runs/big', '--episodes', '2')).stdout).toBe(stdout);
  });

  it('plays policies side by side from the same starts, into a GIF', async () => {
    const args = ['play', 'runs/small', '--beside', 'runs/big', '--episodes', '2', '--seed', '7'];
    const first = await retort(...args, '--gif', 'both.gif', '--fps', '10', '--json');
    const { policies } = JSON.parse(first.stdout) as Played;
    expect(policies.map(({ name }) => name)).toEqual(['small', 'big']);
    const longest = [0, 1].map((e) => Math.max(...policies.map(({ episodes }) => episodes[e].length)));
    const gif = await sharp(path('both.gif'), { animated: true }).metadata();
    expect([gif.width, gif.pages, gif.delay![0]]).toEqual([608, longest[0] + longest[1] + 14, 100]);
    const again = await retort(...args, '--gif', 'both.gif');
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('both.gif is there already') });
    // Who plays beside changes nothing.
    const alone = JSON.parse((await retort('play', 'runs/big', '-n', '2', '--seed', '7', '--json')).stdout) as Played;
    expect(alone.policies[0]).toEqual(policies[1]);
  });

  it('draws actions where it is asked to, the same ones for the same seed', async () => {
    const drawn = async (seed: string, ...more: string[]) =>
      JSON.parse((await retort('play', 'runs/big', '-n', '2', '--seed', seed, '--json', ...more)).stdout) as Played;
    const [once, again] = [await drawn('1', '--sampled'), await drawn('1', '--sampled')];
    expect(again).toEqual(once);
    expect((await drawn('1')).policies[0].episodes).not.toEqual(once.policies[0].episodes);
    const box = await retort('play', 'runs/swing', '--sampled');
    expect(box).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('actions of a box are played by their mode'),
    });
  });

  it('plays in another environment, and a student outside of its run', async () => {
    const shorter = await retort('play', 'runs/big', '--set', 'environment.timeLimit=5', '--json');
    const { policies } = JSON.parse(shorter.stdout) as Played;
    expect(policies[0].episodes).toEqual(new Array(3).fill({ return: 5, length: 5, terminated: false }));
    expect(shorter.stderr).toContain('was trained in cart-pole {"timeLimit":40}, and plays cart-pole {"timeLimit":5}');
    cpSync(path('runs/big/student/best'), path('alone'), { recursive: true });
    expect(await retort('play', 'alone')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /lies outside a run folder.*\n +it was trained in cart-pole \{"timeLimit":40\}\n +name one: --environment/,
      ),
    });
    const there = await retort('play', 'alone', '--environment', '{ use: cart-pole, timeLimit: 5 }', '--json');
    expect((JSON.parse(there.stdout) as Played).policies[0].episodes).toEqual(policies[0].episodes);
  });

  it('plays actions of a box, and records every step with what the network says', async () => {
    const { stderr, stdout } = await retort('play', 'runs/swing', '-n', '2', '--record', 'swing.safetensors', '--json');
    expect(stderr).toBe('');
    const { tensors, metadata } = decodeSafetensors(readFileSync(path('swing.safetensors')));
    const about = JSON.parse(metadata.play) as object;
    expect(about).toMatchObject({ environment: 'pendulum {"gravity":10,"timeLimit":10}', copies: 1 });
    const shapes = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
    expect(shapes).toMatchObject({ states: [20, 3], actions: [20, 1], rewards: [20], 'outputs/mean': [20, 1] });
    expect([...tensors.truncated.data]).toEqual(Array.from({ length: 20 }, (_, i) => (i % 10 === 9 ? 1 : 0)));
    // The mode: twice the hyperbolic tangent of the mean.
    tensors['outputs/mean'].data.forEach((mean, i) =>
      expect(tensors.actions.data[i]).toBeCloseTo(2 * Math.tanh(mean), 5),
    );
    const { policies } = JSON.parse(stdout) as Played;
    const earned = [...tensors.rewards.data].slice(0, 10).reduce((sum, reward) => sum + reward, 0);
    expect(policies[0].episodes[0].return).toBeCloseTo(earned, 3);
  });

  it.each([
    ['a run that is no policy', ['runs/images'], /runs\/images holds no policy: it was not trained to act/],
    ['no run', ['nowhere'], /nowhere is neither a run folder nor a student/],
    [
      'other spaces',
      ['runs/big', '--beside', 'runs/swing'],
      /runs\/swing.* other spaces.*\n +it was made for pendulum.*: observations \[3\], actions in a box.*\n +here is cart-pole/,
    ],
    ['an environment nobody has', ['runs/big', '--environment', 'cartpole'], /--environment.*cartpole.*\n?.*cart-pole/],
    ['a GIF of another name', ['runs/big', '--gif', 'a.mp4'], /--gif a\.mp4: the name must end in \.gif/],
    ['a record of several', ['runs/big', '--beside', 'runs/small', '--record', 'a.safetensors'], /one policy/],
    ['too many frames', ['runs/big', '--fps', '60'], /at most 50/],
  ])('told %s ends with exit code 2', async (_, args, message) => {
    const { code, stderr } = await retort('play', ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('retort eval', () => {
  it('measures a policy as its run did, and by other episodes in another environment', async () => {
    const run = await retort('eval', 'runs/big', '--json');
    const teller = JSON.parse(run.stdout) as { values: Record<string, number> };
    const log = readFileSync(path('runs/big/metrics.jsonl'), 'utf8').trim().split('\n');
    const { results } = JSON.parse(log.at(-1)!) as { results: { best: Record<string, number> } };
    expect(teller.values.return).toBe(results.best['test/return']);
    // The same episodes, told by the command itself.
    const own = await retort('eval', 'runs/big', '--episodes', '4', '--json');
    expect(JSON.parse(own.stdout)).toMatchObject({ episodes: 4, values: teller.values });
    const shorter = await retort('eval', 'runs/big', '--set', 'environment.timeLimit=5');
    expect(shorter.stdout).toMatch(/\ntest\/return +5\n/);
    expect(shorter.stderr).toContain('4 episodes of cart-pole {"timeLimit":5}, test split');
  });

  it("measures a run's teacher", async () => {
    const of = async (...args: string[]) =>
      JSON.parse((await retort('eval', ...args, '--json')).stdout) as { values: object };
    const policy = await of('runs/big', '--data', 'student.yaml', '--episodes', '3');
    expect((await of('--teacher', 'runs/small#large', '--episodes', '3')).values).toEqual(policy.values);
  });

  it('refuses what does not fit', async () => {
    const told = async (...args: string[]) => (await retort('eval', ...args)).stderr;
    expect(await told('runs/big', '--metrics', 'top-1')).toContain('measured by its returns');
    expect(await told('runs/images', '--episodes', '3')).toContain('has a data set and no environment');
    expect(await told('runs/swing', '--data', 'teacher.yaml')).toContain('other spaces');
  });
});

it.each(['train', 'validate'])('%s says which command takes a protocol', async (command) => {
  writeFileSync(path('protocol.yaml'), 'arms: { a: { manifest: teacher.yaml } }\n');
  expect(await retort(command, 'protocol.yaml')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('print the comparison: retort compare protocol.yaml'),
  });
});
