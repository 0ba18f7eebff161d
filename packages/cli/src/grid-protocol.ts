import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, relative, resolve } from 'node:path';
import { InputError, messageOf, nearestHint, z } from '@retort/core';
import { parse } from 'yaml';
import { armsNeeded } from './grid-placeholders.js';

/** A manifest with settings, run with several seeds. */
export interface Arm {
  name: string;
  /** Path of the manifest. */
  manifest: string;
  /** As after `--set`; `${seed}` and `${run:ARM}` stand for the run's seed and for the folder of another arm's run. */
  settings: string[];
  seeds: number[];
}

/** What is compared with what. */
export interface GridProtocol {
  name: string;
  arms: Arm[];
  /** Name of the arm that the others are compared with. */
  baseline: string;
  /** Absent where nobody said which. */
  metric?: string;
}

export interface ProtocolOptions {
  /** `NAME=key=value,key=value` */
  arm: string[];
  /** `1..5` */
  seeds?: string;
  baseline?: string;
  metric?: string;
  name?: string;
  /** Settings of every arm. */
  set: string[];
}

/** Names become names of files. */
const nameText = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

const seedList = z.union([z.string(), z.array(z.int().nonnegative())]);
const settingList = z.array(z.string());

const protocolSchema = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  manifest: z.string().optional(),
  seeds: seedList.optional(),
  baseline: z.string().optional(),
  metric: z.string().optional(),
  arms: z.record(
    z.string(),
    z.union([
      settingList,
      z.strictObject({ manifest: z.string().optional(), set: settingList.default([]), seeds: seedList.optional() }),
    ]),
  ),
});

const standardSeeds = '1..5';

/**
 * What the command was told to compare: a protocol file, several manifests, or one manifest with `--arm` variants. The manifests
 * themselves are not validated here.
 *
 * @throws InputError
 */
export function readProtocol(files: readonly string[], options: ProtocolOptions): GridProtocol {
  const sources = files.map((file) => ({ file, value: readYaml(file) }));
  const protocol = sources.find(({ value }) => 'arms' in value);
  if (protocol && files.length > 1) {
    throw new InputError(`${protocol.file} is a protocol with arms of its own; it is compared alone`, {
      hints: ['name one protocol, or manifests only'],
    });
  }
  const read = protocol ? fromProtocol(protocol.file, protocol.value, options) : fromManifests(sources, options);
  const arms = read.arms.map((arm) => ({ ...arm, settings: [...options.set, ...arm.settings] }));
  if (!nameText.test(read.name)) throw new InputError(nameFault('the comparison', read.name));
  for (const arm of arms) {
    if (!nameText.test(arm.name)) throw new InputError(nameFault('an arm', arm.name));
    if (arms.filter(({ name }) => name === arm.name).length > 1) {
      throw new InputError(`two arms are called "${arm.name}"`, { hints: ['every arm needs a name of its own'] });
    }
    arm.settings.forEach((setting) => checkSetting(setting, arm.name));
  }
  arms.forEach((arm, i) => checkNeeds(arm, arms.slice(0, i)));
  const names = arms.map(({ name }) => name);
  const baseline = options.baseline ?? read.baseline ?? (names.includes('baseline') ? 'baseline' : names[0]);
  if (!names.includes(baseline)) {
    throw new InputError(`baseline: no arm is called "${baseline}"; ${nearestHint(baseline, names)}`);
  }
  return { name: read.name, arms, baseline, metric: options.metric ?? read.metric };
}

type Read = Pick<GridProtocol, 'name' | 'arms'> & { baseline?: string; metric?: string };

function fromProtocol(file: string, value: object, options: ProtocolOptions): Read {
  for (const [option, given] of [
    ['--arm', options.arm.length > 0],
    ['--seeds', options.seeds !== undefined],
  ] as const) {
    if (given) throw new InputError(`${option} cannot be given beside a protocol`, { hints: [`change it in ${file}`] });
  }
  const parsed = protocolSchema.safeParse(value);
  if (!parsed.success) throw new InputError(protocolFault(parsed.error.issues[0], value), { where: file });
  const { manifest, seeds, arms, ...protocol } = parsed.data;
  if (Object.keys(arms).length === 0) throw new InputError('arms: at least one', { where: file });
  const folder = dirname(resolve(file));
  const stem = basename(file, extname(file));
  return {
    name: options.name ?? protocol.name ?? (stem === 'protocol' ? basename(folder) : stem),
    baseline: protocol.baseline,
    metric: protocol.metric,
    arms: Object.entries(arms).map(([name, written]) => {
      const arm = Array.isArray(written) ? { set: written } : written;
      const own = ('manifest' in arm ? arm.manifest : undefined) ?? manifest;
      if (own === undefined) {
        throw new InputError(`arms.${name}: which manifest?`, {
          hints: ['add manifest: FILE to the protocol, or to this arm'],
          where: file,
        });
      }
      return {
        name,
        manifest: findManifest(own, folder, file),
        settings: arm.set,
        seeds: seedsOf(('seeds' in arm ? arm.seeds : undefined) ?? seeds ?? standardSeeds, file),
      };
    }),
  };
}

function fromManifests(sources: { file: string; value: object }[], options: ProtocolOptions): Read {
  const seeds = seedsOf(options.seeds ?? standardSeeds, '--seeds');
  const nameOf = ({ file, value }: { file: string; value: object }) =>
    'name' in value && typeof value.name === 'string' ? value.name : basename(file, extname(file));
  if (options.arm.length > 0 && sources.length > 1) {
    throw new InputError('--arm makes variants of one manifest, and several were named', {
      hints: ['compare several manifests as they are, or one with variants; a protocol file can do both'],
    });
  }
  const arms =
    options.arm.length > 0
      ? options.arm.map((text) => ({ ...variant(text), manifest: sources[0].file, seeds }))
      : sources.map((source) => ({ name: nameOf(source), manifest: source.file, settings: [], seeds }));
  return { name: options.name ?? sources.map(nameOf).join('-vs-'), arms };
}

/** `agent=trainer.weighting=agent,agent=ppo`, or `agent` for the manifest as it is. */
function variant(text: string): { name: string; settings: string[] } {
  const [, name, settings = ''] = /^([^=]*)=?(.*)$/s.exec(text)!;
  // At commas before a key only: values have commas too, [1, 2].
  return { name, settings: settings === '' ? [] : settings.split(/,\s*(?=[\w-]+(?:\.[\w-]+)*=)/) };
}

function checkSetting(setting: string, arm: string): void {
  if (!/^[^=]+=/.test(setting)) {
    throw new InputError(`arm ${arm}: "${setting}" is no setting: write key=value`, {
      hints: ["such as --arm equal='trainer.weighting=equal,trainer.epochs=5'"],
    });
  }
  const [, key] = /^(seed|run\.folder)=/.exec(setting) ?? [];
  if (key) {
    throw new InputError(`arm ${arm}: ${key} is set by the comparison`, {
      hints: [key === 'seed' ? 'name the seeds with --seeds, or seeds in a protocol' : 'choose where with --folder'],
    });
  }
}

/** What an arm goes on from comes before it, with all its seeds. */
function checkNeeds({ name, settings, seeds }: Arm, earlier: readonly Arm[]): void {
  for (const needed of armsNeeded(settings)) {
    const arm = earlier.find((other) => other.name === needed);
    if (!arm) {
      throw new InputError(`arm ${name}: \${run:${needed}} is the run of no arm before it`, {
        hints: [
          nearestHint(
            needed,
            earlier.map((other) => other.name),
          ),
          'arms go on from those that stand above them',
        ],
      });
    }
    const seed = seeds.find((each) => !arm.seeds.includes(each));
    if (seed !== undefined) throw new InputError(`arm ${name}: ${needed}, which it goes on from, has no seed ${seed}`);
  }
}

function seedsOf(written: string | number[], where: string): number[] {
  const seeds = typeof written === 'string' ? parseSeeds(written, where) : written;
  const twice = seeds.find((seed, i) => seeds.indexOf(seed) !== i);
  if (twice !== undefined) throw new InputError(`seeds: ${twice} is there twice`, { where });
  if (seeds.length === 0) throw new InputError('seeds: at least one', { where });
  return seeds;
}

/** `1..5`, `1,2,7`, `1..3,7` */
export function parseSeeds(text: string, where: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, first, last = first] = /^\s*(\d{1,9})(?:\s*\.\.\s*(\d{1,9}))?\s*$/.exec(part) ?? [];
    if (first === undefined) {
      throw new InputError(`seeds: cannot read "${text}"`, { hints: ['write 1..5, or 1,2,7'], where });
    }
    const [from, to] = [Number(first), Number(last)];
    if (to < from)
      throw new InputError(`seeds: ${part.trim()} runs backwards`, { hints: [`write ${to}..${from}`], where });
    if (to - from >= 10_000)
      throw new InputError(`seeds: ${part.trim()} are ${to - from + 1} runs of every arm`, { where });
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** Paths in a protocol start from its folder, or from the current one. */
function findManifest(name: string, folder: string, where: string): string {
  const found = [resolve(folder, name), resolve(name)].find((path) => existsSync(path));
  if (found !== undefined) return relative(process.cwd(), found) || found;
  throw new InputError(`no such manifest: ${name}`, {
    hints: [`looked for in ${relative(process.cwd(), folder) || '.'} and in the current folder`],
    where,
  });
}

function protocolFault(issue: z.core.$ZodIssue, value: object): string {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = path === '' ? Object.keys(protocolSchema.shape) : ['manifest', 'set', 'seeds'];
    return `${path && `${path}.`}${issue.keys[0]}: unknown key; ${nearestHint(issue.keys[0], known)}`;
  }
  if (issue.path[0] === 'arms' && issue.path.length >= 2) {
    return `arms.${String(issue.path[1])}: expected a list of settings, or { manifest, set, seeds }`;
  }
  if (issue.path[0] === 'seeds') return 'seeds: expected 1..5, or a list of whole numbers from 0 on';
  if (path === 'arms') return `arms: expected a map of names to lists of settings`;
  const written: unknown = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown>)?.[key],
    value,
  );
  return `${path}: ${issue.message}; got ${JSON.stringify(written)}`;
}

function nameFault(what: string, name: string): string {
  return `${what} cannot be called "${name}": letters, digits, ".", "_" and "-" only, starting with a letter or digit`;
}

/** The map in a YAML file; nothing of one that is no map, which is left to the manifest's own checks. */
function readYaml(file: string): object {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InputError(missing ? `no such file: ${file}` : `cannot read ${file}: ${messageOf(error)}`, {
      hints: missing ? ['name manifests, or a protocol file with arms'] : [],
    });
  }
  try {
    const value: unknown = parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  } catch (error) {
    throw new InputError(`${file} is not valid YAML: ${messageOf(error).split('\n')[0]}`);
  }
}
