import { createRegistry, loadPlugins, manifestJsonSchema, writeWhole } from '@retort/core';
import { plugins } from '../plugins.js';
import type { Terminal } from '../terminal.js';

export async function schema(
  { plugin, output }: { plugin: string[]; output?: string },
  terminal: Terminal,
): Promise<number> {
  const registry = createRegistry(plugins);
  await loadPlugins(plugin, process.cwd(), registry);
  const text = JSON.stringify(manifestJsonSchema(registry), undefined, 2);
  if (output === undefined) terminal.print(text);
  else writeWhole(output, `${text}\n`);
  return 0;
}
