import cliProgress from 'cli-progress';
import type { Emit, RunEvent } from '@retort/core';
import { bytes, count, duration, metricText, percent, plain, plural } from './text.js';

export interface ProgressOptions {
  /** Where it is written. */
  stream: NodeJS.WritableStream & { isTTY?: boolean };
  /** A bar that moves, or lines. */
  bar: boolean;
  /** Seconds between two lines inside an epoch, where there is no bar. */
  every?: number;
  /** Milliseconds, ever rising. */
  now?: () => number;
}

export interface Progress {
  onEvent: Emit;
  /** Leaves the bar as it stands and writes what is still to be written. */
  stop(): void;
}

type Start = Extract<RunEvent, { type: 'run-start' }>;
type Epoch = Extract<RunEvent, { type: 'epoch' }>;

/** Says how a run goes: remarks as they come, a line for each epoch, and between them a bar or a line now and then. */
export function createProgress({ stream, bar, every = 15, now = () => performance.now() }: ProgressOptions): Progress {
  let start: Start | undefined;
  let values: Record<string, number> = {};
  const means = createMeans();
  /** Held back until the validation that follows it. */
  let epoch: { event: Epoch; validation?: string } | undefined;
  let clock = { began: 0, step: 0, images: 0, lastLine: 0 };
  let seconds: number | undefined;
  let toldCheckpoint = false;
  let work = { what: '', began: 0, from: 0, lastLine: 0 };
  const live = bar ? createBar(stream) : undefined;

  const say = (line: string) => (live ? live.say(line) : stream.write(`${line}\n`));
  const remaining = (step: number) => {
    const done = step - clock.step;
    const total = start ? start.epochs * start.stepsPerEpoch : 0;
    seconds = done > 0 ? ((now() - clock.began) / 1000 / done) * (total - step) : undefined;
    return seconds === undefined ? '' : `ETA ${duration(seconds)}`;
  };
  const speedText = (perSecond: number) => `${count(perSecond)} ${start?.unit ?? 'images'}/s`;
  const speed = () => {
    const passed = (now() - clock.began) / 1000;
    return passed > 0 && clock.images > 0 ? speedText(clock.images / passed) : '';
  };
  const flush = () => {
    if (!epoch || !start) return;
    const { event, validation } = epoch;
    epoch = undefined;
    const parts = [`epoch ${event.epoch + 1}/${start.epochs}`, ...valueTexts(means.take()), validation ?? ''];
    const isLast = event.epoch + 1 === start.epochs;
    say(
      joined([
        ...parts,
        speedText(event.imagesPerSecond),
        isLast ? '' : remaining((event.epoch + 1) * start.stepsPerEpoch),
      ]),
    );
  };

  const onEvent: Emit = (event) => {
    switch (event.type) {
      case 'info':
        return void say(event.message);
      case 'warning':
        return void say(`warning: ${event.message}`);
      case 'backend':
        return void say(`backend ${event.name}: ${event.reason}`);
      case 'run-start':
        start = event;
        means.startAt(event.resumedAt?.step ?? 0);
        clock = { began: now(), step: event.resumedAt?.step ?? 0, images: 0, lastLine: now() };
        say(startText(event));
        live?.start(event.epochs * event.stepsPerEpoch, clock.step);
        return;
      case 'work': {
        const { what, done, of } = event;
        if (work.what !== what || done < work.from) work = { what, began: now(), from: done, lastLine: now() };
        const passed = (now() - work.began) / 1000;
        const left = done > work.from ? `ETA ${duration((passed / (done - work.from)) * (of - done))}` : '';
        if (live) live.work(done, of, what, left);
        else if (done < of && now() - work.lastLine >= every * 1000) {
          work.lastLine = now();
          say(`  ${joined([`${what} ${count(done)}/${count(of)}`, left])}`);
        }
        return;
      }
      case 'progress': {
        flush();
        clock.images += event.images;
        if (!start) return;
        const where = `epoch ${event.epoch + 1}/${start.epochs}`;
        if (live) {
          // What matters least comes last: a narrow terminal cuts it off.
          live.update(
            event.step + 1,
            where,
            joined([remaining(event.step + 1), speed(), ...valueTexts(values).reverse()]),
          );
        } else if (now() - clock.lastLine >= every * 1000 && event.stepInEpoch + 1 < start.stepsPerEpoch) {
          clock.lastLine = now();
          const step = `step ${event.stepInEpoch + 1}/${start.stepsPerEpoch}`;
          say(`  ${joined([where, step, ...valueTexts(values), speed(), remaining(event.step + 1)])}`);
        }
        return;
      }
      case 'step':
        values = { ...values, ...event.values };
        means.add(event.step, event.values);
        return;
      case 'epoch':
        clock.lastLine = now();
        epoch = { event };
        return;
      case 'evaluation': {
        const [metric] = ['top-1', 'return', ...Object.keys(event.values)].filter(
          (name) => typeof event.values[name] === 'number',
        );
        if (!epoch || event.split !== 'validation' || !metric) return;
        epoch.validation = `validation ${metric} ${metricText(metric, event.values[metric])}`;
        flush();
        return;
      }
      case 'checkpoint':
        flush();
        if (!toldCheckpoint) say(`checkpoints of ${bytes(event.bytes)} each in ${parent(event.path)}`);
        toldCheckpoint = true;
        return;
      case 'run-end':
        return void flush();
    }
  };
  return {
    onEvent,
    stop() {
      flush();
      live?.stop();
    },
  };
}

/** Means over an epoch, from means over the steps since the last read. */
function createMeans() {
  let next = 0;
  let sums: Record<string, { sum: number; steps: number }> = {};
  return {
    startAt(step: number) {
      next = step;
    },
    add(step: number, values: Record<string, number>) {
      const count = step + 1 - next;
      // What an agent tells of an update is no mean over steps.
      if (Object.keys(values).every((name) => name.startsWith('agent/')) || count <= 0) return;
      next = step + 1;
      for (const [name, value] of Object.entries(values)) {
        // Not all are there every time: no episode may have ended.
        const before = sums[name] ?? { sum: 0, steps: 0 };
        sums[name] = { sum: before.sum + value * count, steps: before.steps + count };
      }
    },
    take(): Record<string, number> {
      const means = Object.fromEntries(Object.entries(sums).map(([name, { sum, steps }]) => [name, sum / steps]));
      sums = {};
      return means;
    },
  };
}

function startText({ name, parameters, teachers, epochs, stepsPerEpoch, batchSize, unit, resumedAt }: Start): string {
  const taught = teachers.length > 0 ? plural(teachers.length, 'teacher') + ` (${teachers.join(', ')})` : 'no teachers';
  const steps = `${plural(epochs, 'epoch')} of ${plural(stepsPerEpoch, 'step')}, ${unit === undefined ? plural(batchSize, 'image') : `${count(batchSize)} ${unit}`} each`;
  const from = resumedAt ? `\ngoing on at epoch ${resumedAt.epoch + 1}, after step ${resumedAt.step}` : '';
  return `${name}: ${plural(parameters, 'parameter')}, ${taught}, ${steps}${from}`;
}

/** `loss task 0.52, kd 1.3`, the train accuracy and the return of training's own episodes, as far as they are known. */
function valueTexts(values: Record<string, number>): string[] {
  const losses = Object.entries(values).filter(([name]) => name.startsWith('loss/'));
  const texts = losses.map(([name, value]) => `${losses.length > 1 ? `${name.slice(5)} ` : ''}${plain3(value)}`);
  return [
    ...(texts.length > 0 ? [`loss ${texts.join(', ')}`] : []),
    ...('return' in values ? [`return ${plain3(values.return)}`] : []),
    ...('train-accuracy' in values ? [`accuracy ${percent(values['train-accuracy'])}`] : []),
  ];
}

function plain3(value: number): string {
  return Math.abs(value) >= 100 || value === 0 ? plain(value) : value.toPrecision(3);
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' · ');
}

function parent(path: string): string {
  return path.replace(/[\\/][^\\/]*$/, '');
}

/** A line that moves at the bottom of a terminal, and remarks above it. */
export interface Bar {
  start(total: number, done: number): void;
  update(done: number, where: string, text: string): void;
  /** A second line, gone when it is done. */
  work(done: number, of: number, what: string, text: string): void;
  say(line: string): void;
  stop(): void;
}

export function createBar(stream: NodeJS.WritableStream): Bar {
  const bars = new cliProgress.MultiBar(
    {
      stream,
      format: '{where} {bar} {percentage}% {text}',
      barsize: 16,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      fps: 8,
      // A second Ctrl-C ends the process at once, and would leave the cursor hidden.
      hideCursor: false,
      linewrap: true,
      gracefulExit: false,
      emptyOnZero: true,
    },
    cliProgress.Presets.shades_classic,
  );
  let bar: ReturnType<typeof bars.create> | undefined;
  let second: ReturnType<typeof bars.create> | undefined;
  return {
    start(total, done) {
      bar = bars.create(total, done, { where: 'starting', text: '' });
    },
    update: (done, where, text) => bar?.update(done, { where, text }),
    work(done, of, what, text) {
      second ??= bars.create(of, done, { where: what, text });
      second.setTotal(of);
      second.update(done, { where: what, text });
      if (done < of) return;
      bars.remove(second);
      second = undefined;
    },
    say(line) {
      if (!bar && !second) stream.write(`${line}\n`);
      else for (const one of line.split('\n')) bars.log(`${one}\n`);
    },
    stop() {
      bars.update();
      bars.stop();
    },
  };
}
