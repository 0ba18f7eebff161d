import {
  createRegistry,
  describeOptions,
  InputError,
  nearestHint,
  type OptionDescription,
  type Part,
  type PartKind,
} from '@retort/core';
import { plugins } from '../plugins.js';
import type { Terminal } from '../terminal.js';
import { table, wrap } from '../text.js';

export async function list(kind: string | undefined, name: string | undefined, terminal: Terminal): Promise<number> {
  const registry = createRegistry(plugins);
  const kinds = registry.kinds();
  if (kind !== undefined && !kinds.includes(kind as PartKind)) {
    throw new InputError(`there is no kind of part called "${kind}"`, { hints: [nearestHint(kind, kinds)] });
  }
  const chosen = kind === undefined ? kinds : [kind as PartKind];
  if (name !== undefined && !registry.has(kind as PartKind, name)) {
    const names = registry.list(kind as PartKind).map(({ part }) => part.name);
    throw new InputError(`no ${kind} is called "${name}"`, { hints: [nearestHint(name, names)] });
  }
  const partsOf = (one: PartKind) => registry.list(one).filter(({ part }) => name === undefined || part.name === name);
  if (terminal.json) {
    const parts = chosen.flatMap((one) =>
      partsOf(one).map(({ part, plugin }) => ({
        kind: one,
        name: part.name,
        package: plugin,
        summary: part.summary,
        needs: part.needs,
        options: describeOptions(part.options),
      })),
    );
    terminal.print(JSON.stringify(parts, undefined, 2));
  } else if (kind === undefined) {
    const rows = chosen.flatMap((one) =>
      registry.list(one).map(({ part, plugin }, i) => [i === 0 ? one : '', part.name, part.summary, plugin]),
    );
    terminal.print(table(['kind', 'part', 'what it is', 'package'], rows));
    terminal.note('\nfor the options of a kind: retort list KIND');
  } else {
    const width = Math.min(process.stdout.columns ?? 100, 120);
    terminal.print(
      partsOf(kind as PartKind)
        .map(({ part, plugin }) => partText(part, plugin, width))
        .join('\n\n'),
    );
  }
  return 0;
}

function partText(part: Part, plugin: string, width: number): string {
  const needs = Object.entries(part.needs ?? {}).map(
    ([whose, outputs]) => `${whose}: ${(outputs as string[]).join(', ')}`,
  );
  return [
    `${part.name}  (${plugin})`,
    ...wrap(part.summary, width - 2).map((line) => `  ${line}`),
    ...(needs.length > 0 ? [`  needs ${needs.join('; ')}`] : []),
    ...describeOptions(part.options).flatMap((option) => optionLines(option, width)),
  ].join('\n');
}

function optionLines(
  { name, type, required, default: preset, description }: OptionDescription,
  width: number,
): string[] {
  const fallback = required ? 'required' : preset === undefined ? 'optional' : `default ${JSON.stringify(preset)}`;
  const text = description === '' ? [] : wrap(description, width - 6);
  return [`    ${name}: ${type}, ${fallback}`, ...text.map((line) => `      ${line}`)];
}
