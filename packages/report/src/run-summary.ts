import type { LoggedEvent, MetricValue, Position } from '@retort/core';
import { parse } from 'yaml';
import type { ClusterPlot } from './cluster-plot.js';
import { finite } from './numbers.js';
import type { PlayedEpisodes } from './played-episodes.js';
import type { RunData } from './run-data.js';
import { seenByEpoch } from './seen.js';

type EventOf<T extends LoggedEvent['type']> = Extract<LoggedEvent, { type: T }>;

/** All metrics of one student on one split, as they stood last. */
export interface Evaluation {
  split: string;
  student: string;
  values: Record<string, MetricValue>;
}

/** What the report says about a run, gathered from its log and manifest. */
export interface RunSummary {
  name: string;
  folder: string;
  status: 'finished' | 'interrupted' | 'no end' | 'empty';
  started?: string;
  backend?: string;
  backendReason?: string;
  seed?: number;
  epochs?: number;
  epochsDone: number;
  stepsPerEpoch?: number;
  batchSize?: number;
  parameters?: number;
  /** What it counts in place of images: `environment steps`. */
  unit?: string;
  /** How many of them, or of images, had been seen by the end of each epoch. */
  seen: number[];
  /** Time spent in training, over every start and resume. */
  seconds?: number;
  resumedAt: Position[];
  teachers: string[];
  classes?: string[];
  lossIds: string[];
  /** Parts of the manifest in a word each: `['Student', 'cifar-resnet']`. */
  parts: [string, string][];
  /** How the manifest has the second stage go, a word or a few each: `['Gradient', 'score …']`; absent when there is none. */
  secondStage?: [string, string][];
  clusters?: ClusterPlot;
  played?: PlayedEpisodes;
  steps: EventOf<'step'>[];
  epochLog: EventOf<'epoch'>[];
  evaluations: EventOf<'evaluation'>[];
  /** Test first, then the other splits; in each the last student before the best. */
  finals: Evaluation[];
  /** Epochs after which the best student was taken. */
  bestEpoch?: number;
  warnings: { message: string; time: string; count: number }[];
  manifest?: string;
}

export function summarize(run: RunData): RunSummary {
  const of = <T extends LoggedEvent['type']>(type: T) =>
    run.events.filter((event): event is EventOf<T> => event.type === type);
  const starts = of('run-start');
  const start = starts.at(-1);
  const lastEdge = run.events.findLast((event) => event.type === 'run-start' || event.type === 'run-end');
  const end = lastEdge?.type === 'run-end' ? lastEdge : undefined;
  const epochLog = of('epoch');
  const evaluations = of('evaluation');
  const backend = of('backend').at(-1);
  const manifest = readManifest(run.manifest);
  const bestEpoch = finite(end?.results?.best?.epoch);
  const epochSeconds = epochLog.reduce((sum, epoch) => sum + (finite(epoch.seconds) ?? 0), 0);
  // The clock of a resumed process starts again, that of its epochs does not.
  const seconds = Math.max(finite(end?.seconds) ?? 0, epochSeconds);
  return {
    name: start?.name ?? manifest.name ?? run.folder.split(/[\\/]/).filter(Boolean).at(-1) ?? run.folder,
    folder: run.folder,
    status: run.events.length === 0 ? 'empty' : (end?.status ?? 'no end'),
    started: run.events[0]?.time,
    backend: backend?.name ?? manifest.backend,
    backendReason: backend?.reason,
    seed: manifest.seed,
    epochs: finite(start?.epochs),
    epochsDone: epochLog.length > 0 ? epochLog[epochLog.length - 1].epoch + 1 : 0,
    stepsPerEpoch: finite(start?.stepsPerEpoch),
    batchSize: finite(start?.batchSize),
    parameters: finite(start?.parameters),
    unit: start?.unit,
    seen: seenByEpoch(epochLog),
    seconds: seconds > 0 ? seconds : undefined,
    resumedAt: starts.flatMap((one) => (one.resumedAt ? [one.resumedAt] : [])),
    teachers: names(start?.teachers) ?? (manifest.teachers.length > 0 ? manifest.teachers : weighedTeachers(epochLog)),
    classes: names(start?.classes),
    lossIds: manifest.lossIds,
    parts: manifest.parts,
    secondStage: manifest.secondStage,
    clusters: run.clusters,
    played: run.played,
    steps: of('step'),
    epochLog,
    evaluations,
    finals: finalEvaluations(evaluations, end?.results),
    bestEpoch: bestEpoch === undefined ? undefined : bestEpoch + 1,
    warnings: countWarnings([
      ...run.problems.map((message) => ({ message, time: '' })),
      ...of('warning').map(({ message, time }) => ({ message, time })),
    ]),
    manifest: run.manifest,
  };
}

/**
 * Last value of every metric, by student and split; the results of the end (`{ best: { 'test/top-1': 0.8 } }`) win. The student
 * in training, `current`, is left out where it was evaluated as the last one too.
 */
export function finalEvaluations(
  evaluations: { split: string; student: string; values: Record<string, MetricValue> }[],
  results: Record<string, Record<string, MetricValue>> = {},
): Evaluation[] {
  const finals = new Map<string, Evaluation>();
  const key = (split: string, student: string) => JSON.stringify([split, student]);
  const add = (split: string, student: string, values: Record<string, MetricValue>) => {
    const known = finals.get(key(split, student))?.values;
    finals.set(key(split, student), { split, student, values: { ...known, ...values } });
  };
  for (const { split, student, values } of evaluations) add(split, student, values);
  for (const [student, values] of Object.entries(results)) {
    for (const [name, value] of Object.entries(values)) {
      const [, split, metric] = /^(train|validation|test)\/(.*)$/.exec(name) ?? [];
      if (split) add(split, student, { [metric]: value });
    }
  }
  for (const { split } of [...finals.values()]) {
    if (finals.has(key(split, 'last'))) finals.delete(key(split, 'current'));
  }
  const rank = (known: string[], name: string) => (known.includes(name) ? known.indexOf(name) : known.length);
  return [...finals.values()].sort(
    (a, b) =>
      rank(['test', 'validation', 'train'], a.split) - rank(['test', 'validation', 'train'], b.split) ||
      rank(['current', 'last', 'best'], a.student) - rank(['current', 'last', 'best'], b.student),
  );
}

/** The metric a run is judged by: top-1 or the return where it was measured, else the first that is one number. */
export function mainMetric(finals: Evaluation[]): string | undefined {
  const scalars = finals.flatMap(({ values }) => Object.keys(values).filter((name) => !Array.isArray(values[name])));
  return ['top-1', 'return'].find((name) => scalars.includes(name)) ?? scalars[0];
}

/** A metric of the end as one finite number. */
export function finalValue(finals: Evaluation[], split: string, student: string, metric: string): number | undefined {
  return finite(finals.find((one) => one.split === split && one.student === student)?.values[metric]);
}

function countWarnings(warnings: { message: string; time: string }[]): RunSummary['warnings'] {
  const counted = new Map<string, RunSummary['warnings'][number]>();
  for (const warning of warnings) {
    const known = counted.get(warning.message);
    if (known) known.count++;
    else counted.set(warning.message, { ...warning, count: 1 });
  }
  return [...counted.values()];
}

function weighedTeachers(epochLog: EventOf<'epoch'>[]): string[] {
  return [...new Set(epochLog.flatMap(({ weights }) => Object.values(weights ?? {}).flatMap(Object.keys)))];
}

/** A list of the log; a log of an older version has none. */
function names(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value.map(String) : undefined;
}

/** What the report needs of a manifest. Written by any version of ours, so nothing in it is taken for granted. */
function readManifest(text: string | undefined): {
  name?: string;
  seed?: number;
  backend?: string;
  teachers: string[];
  lossIds: string[];
  parts: [string, string][];
  secondStage?: [string, string][];
} {
  const whole = asRecord(text === undefined ? undefined : parseYaml(text));
  const manifest = 'manifest' in whole ? asRecord(whole.manifest) : whole;
  const trainer = asRecord(manifest.trainer);
  const trainerOptions = asRecord(trainer.options ?? trainer);
  const teachers = asList(manifest.teachers);
  const losses = asList(manifest.losses);
  const parts: [string, string | undefined][] = [
    ['Data set', partName(manifest.dataset)],
    ['Environment', environmentText(manifest.environment)],
    ['Student', partName(manifest.student)],
    ['Teachers', teachers.map((part) => [idOf(part), partName(part)].filter(Boolean).join(': ')).join(', ')],
    ['Trainer', partName(manifest.trainer)],
    ['Weighting', partName(trainerOptions.weighting)],
    ['Agent', partName(manifest.agent)],
    // Of trainers that act; those of a second stage are told with it.
    ['Rewards', manifest.environment === undefined ? undefined : rewardNames(trainerOptions.rewards ?? {})],
    ['Losses', losses.map((part) => idOf(part) ?? partName(part)).join(', ')],
  ];
  return {
    name: typeof manifest.name === 'string' ? manifest.name : undefined,
    seed: finite(manifest.seed),
    backend: typeof manifest.backend === 'string' ? manifest.backend : undefined,
    teachers: teachers.map(idOf).filter((id) => id !== undefined),
    lossIds: losses.map((part) => idOf(part) ?? partName(part)).filter((id) => id !== undefined),
    parts: parts.filter((part): part is [string, string] => Boolean(part[1])),
    secondStage: hasSecondStage(trainerOptions) ? describeSecondStage(trainerOptions) : undefined,
  };
}

/** `cart-pole`, or with what it is wrapped in: `frame-stack of breakout`. */
function environmentText(part: unknown): string | undefined {
  if (part === undefined) return undefined;
  const name = partName(part);
  const record = asRecord(part);
  const inner = environmentText(record.environment ?? asRecord(record.options).environment);
  return name !== undefined && inner !== undefined ? `${name} of ${inner}` : name;
}

const gradients: Record<string, string> = {
  score: 'score function: what was sampled becomes more or less probable by what it earned',
  pathwise: 'pathwise: the derivative of the rewards is followed',
};

/** Of no epochs it is left out. */
function hasSecondStage({ stage2 }: Record<string, unknown>): boolean {
  return stage2 !== undefined && asRecord(stage2).epochs !== 0;
}

/** What a trainer's options say of its second stage, wherever among them they say so. */
function describeSecondStage({ stage2: stage, centers }: Record<string, unknown>): [string, string][] {
  const gradient = textOf(findKey(stage, 'gradient'));
  const algorithm = ['algorithm', 'objective'].map((key) => findKey(stage, key)).find((part) => part !== undefined);
  const baseline = textOf(findKey(stage, 'baseline'));
  const samples = finite(findKey(stage, 'samples'));
  const rewards = findKey(stage, 'rewards') ?? findKey(stage, 'reward');
  const [schedule, from, to, terms] = ['schedule', 'from', 'to', 'terms'].map((key) =>
    textOf(findKey(findKey(stage, 'anneal'), key)),
  );
  const told = (texts: (string | false | undefined)[]) => texts.filter(Boolean).join(', ');
  const list: [string, string | undefined][] = [
    ['Gradient', gradient && (Object.hasOwn(gradients, gradient) ? gradients[gradient] : gradient)],
    [
      'Algorithm',
      told([
        partName(algorithm),
        // Nothing is sampled to be compared with it.
        gradient !== 'pathwise' && baseline && `baseline ${baseline}`,
        samples !== undefined && samples > 1 && `${samples} decisions an image`,
      ]),
    ],
    ['Rewards', rewardNames(rewards)],
    [
      'Centers',
      told([
        textOf(findKey(centers, 'from')),
        ...['recompute', 'control'].map((key) => unusual(findKey(centers, key))),
      ]),
    ],
    ['λ', told([schedule, from && to && `${from} to ${to}`, terms && terms !== 'both' && `on ${terms} only`])],
  ];
  return list.filter((entry): entry is [string, string] => Boolean(entry[1]));
}

/** What is none, or never done, need not be said. */
function unusual(value: unknown): string | undefined {
  const text = textOf(value);
  return text === 'none' || text === 'never' ? undefined : text;
}

/** Names with their weights: `confidence 0.5, cluster-cosine 0.5`. */
function rewardNames(rewards: unknown): string {
  if (Array.isArray(rewards) && rewards.length === 0) return 'none';
  const entries = Array.isArray(rewards) ? rewards : Object.values(asRecord(rewards));
  return entries
    .map((part) => {
      const record = asRecord(part);
      const weight = finite(record.weight ?? asRecord(record.keys).weight);
      const name = partName(part) ?? partName(record.reward);
      return name && `${name}${weight === undefined ? '' : ` ${weight}`}`;
    })
    .filter(Boolean)
    .join(', ');
}

/** The value of a key, of the outermost record that has it. */
function findKey(value: unknown, key: string, depth = 3): unknown {
  const record = asRecord(value);
  if (record[key] !== undefined) return record[key];
  if (depth === 0) return undefined;
  return Object.values(record)
    .map((inner) => findKey(inner, key, depth - 1))
    .find((found) => found !== undefined);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function parseYaml(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined; // shown as text all the same
  }
}

function partName(part: unknown): string | undefined {
  if (typeof part === 'string') return part;
  const { use } = asRecord(part);
  return typeof use === 'string' ? use : undefined;
}

function idOf(part: unknown): string | undefined {
  const record = asRecord(part);
  const id = record.id ?? asRecord(record.keys).id;
  return id === undefined ? undefined : String(id);
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
