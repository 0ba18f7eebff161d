import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeOptions, Registry } from '@retort/core';
import { plugin } from './index.js';

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));
const registry = new Registry().use(plugin);
const weightings = registry.list('weighting').map(({ part }) => part);
const page = (name: string) => readFileSync(`${docs}weightings/${name}.md`, 'utf8');

describe.each(weightings.map((part) => [part.name, part] as const))('the page of weighting %s', (name, part) => {
  it('is there and listed', () => {
    expect(existsSync(`${docs}weightings/${name}.md`)).toBe(true);
    expect(page('README')).toContain(`[${name}](${name}.md)`);
  });

  it('names every option', () => {
    const text = page(name);
    for (const option of describeOptions(part.options)) expect(text).toContain(`\`${option.name}\``);
  });

  it('says where it comes from, what was changed and what it costs', () => {
    for (const section of ['Source', 'Changed against', 'Cost']) expect(page(name)).toContain(section);
  });
});

it('the page of rewards has every reward and its options', () => {
  const text = readFileSync(`${docs}rewards.md`, 'utf8');
  for (const { part } of registry.list('reward')) {
    expect(text).toContain(`\`${part.name}\``);
    for (const option of describeOptions(part.options)) expect(text).toContain(`\`${option.name}\``);
  }
});
