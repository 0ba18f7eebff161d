import { composeRun, isReference, type PartReference } from '@retort/core';
import { plugins } from '../plugins.js';
import { refuseProtocol } from '../protocol-not-manifest.js';
import type { Terminal } from '../terminal.js';
import { bytes, count, duration, plural, table, wrap } from '../text.js';

export async function validate(file: string, { set }: { set: string[] }, terminal: Terminal): Promise<number> {
  refuseProtocol(file);
  const messages: string[] = [];
  const composed = await composeRun(file, {
    plugins,
    set,
    onEvent: (event) => {
      if (event.type === 'backend') messages.push(`backend ${event.name}: ${event.reason}`);
      if (event.type === 'warning' || event.type === 'info') messages.push(event.message);
    },
  });
  try {
    const { manifest, trainer } = composed;
    const estimate = await trainer.estimate();
    if (terminal.json) {
      terminal.print(
        JSON.stringify(
          { manifest: file, name: manifest.name, backend: composed.backend.reference.use, ...estimate },
          undefined,
          2,
        ),
      );
      return 0;
    }
    const parts: [string, PartReference | undefined][] = [
      ['backend', composed.backend.reference],
      ['dataset', manifest.dataset],
      ['environment', manifest.environment],
      ['student', manifest.student],
      ...manifest.teachers.map((teacher): [string, PartReference] => [`teacher ${String(teacher.keys.id)}`, teacher]),
      ['trainer', manifest.trainer],
      ['agent', manifest.agent],
      ...manifest.losses.map((loss): [string, PartReference] => [`loss ${String(loss.keys.id)}`, loss]),
      ...manifest.metrics.map((metric): [string, PartReference] => ['metric', metric]),
    ];
    const width = Math.max(40, Math.min(process.stdout.columns ?? 110, 140) - 36);
    const rows = parts.flatMap(([section, part]) => (part ? partRows(section, part, width) : []));
    terminal.print(table(['section', 'part', 'options'], rows));
    terminal.print('');
    const { parameters, macs, epochs, stepsPerEpoch, checkpointBytes, memoryBytes, seconds } = estimate;
    terminal.print(
      table(
        [],
        [
          ['parameters', count(parameters)],
          [
            'MACs',
            macs === undefined ? 'unknown' : `${count(macs)} for one ${manifest.environment ? 'observation' : 'image'}`,
          ],
          ['training', `${plural(epochs, 'epoch')} of ${plural(stepsPerEpoch, 'step')}`],
          ['time', `about ${duration(seconds)} on this machine`],
          ['memory', `about ${bytes(memoryBytes)}`],
          ['checkpoints', `${bytes(checkpointBytes)} each, ${manifest.run.checkpoint.keep} kept`],
        ],
      ),
    );
    for (const message of messages) terminal.note(`\n${message}`);
    terminal.note(`\n${file} is valid; nothing was written`);
    return 0;
  } finally {
    await composed.dispose();
  }
}

/** Section, part and options, as many lines as the options take. */
function partRows(section: string, part: PartReference, width: number): string[][] {
  return wrap(optionsText(part), width).map((line, i) => (i === 0 ? [section, part.use, line] : ['', '', line]));
}

/** A part's options as they are, defaults filled in, those of options by their path; parts inside it by their names. */
function optionsText({ options, keys }: PartReference): string {
  const { id: _, ...others } = keys;
  return optionTexts({ ...others, ...options }, '').join(', ');
}

function optionTexts(options: object, prefix: string): string[] {
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    if (value === undefined) return [];
    const isGroup = isObject(value) && !Array.isArray(value) && !isReference(value);
    return isGroup ? optionTexts(value, `${prefix}${key}.`) : [`${prefix}${key}: ${valueText(value)}`];
  });
}

function valueText(value: unknown): string {
  if (isObject(value) && isReference(value)) return value.use;
  if (Array.isArray(value) && value.some((item) => isObject(item) && isReference(item))) {
    return `[${value.map(valueText).join(', ')}]`;
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
