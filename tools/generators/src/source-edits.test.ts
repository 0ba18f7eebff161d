import { addExport, addImport, addRegistration, addTableRow, addToList, addToSentence } from './source-edits.mjs';

const index = (body: string) => `import { definePlugin } from '@retort/core';
import { a } from './a.js';
import { c } from './c.js';

export { a } from './a.js';
export {
  c,
  d,
} from './c.js';
export type { D } from './c.js';

export const plugin = definePlugin({
  name: 'x',
  register(registry) {
${body}
  },
});
`;

it('imports and exports go where their file names have them', () => {
  const text = index('    registry.add(a);');
  expect(addImport(text, 'b', 'b')).toContain("from './a.js';\nimport { b } from './b.js';\nimport { c }");
  expect(addImport(text, 'z', 'z')).toContain("import { c } from './c.js';\nimport { z } from './z.js';\n\nexport");
  expect(addExport(text, ['b', 'bs'], 'b')).toContain("'./a.js';\nexport { b, bs } from './b.js';\nexport {\n  c,");
  expect(addExport(text, ['z'], 'z')).toContain("export type { D } from './c.js';\nexport { z } from './z.js';\n\n");
  expect(() => addImport('export {};', 'b', 'b')).toThrow('no import');
});

it.each([
  ['a call', '    registry.add(a);', '    registry.add(a).add(b);'],
  ['a chain', '    registry\n      .add(a)\n      .add(c);', '    registry\n      .add(a)\n      .add(c).add(b);'],
  ['a second call', '    registry.add(a);\n    registry.add(c);', '    registry.add(a);\n    registry.add(c).add(b);'],
  [
    'a loop',
    '    registry.add(a);\n    for (const part of [c]) registry.add(part);',
    '    registry.add(a);\n    for (const part of [c]) registry.add(part);\n    registry.add(b);',
  ],
  [
    'a loop with a body',
    '    for (const part of [c]) {\n      registry.add(part);\n    }',
    '    for (const part of [c]) {\n      registry.add(part);\n    }\n    registry.add(b);',
  ],
])('a part is registered after %s', (_, before, after) => {
  expect(addRegistration(index(before), 'b')).toBe(index(after));
});

it('a row goes to the end of its table, or behind the last of its kind', () => {
  const text =
    '| x | y |\n| - | - |\n| 0 | 0 |\n\n| kind | name |\n| ---- | ---- |\n| a | 1 |\n| a | 2 |\n| b | 3 |\n\ntext';
  expect(addTableRow(text, ['kind'], ['c', '4'])).toContain('| b | 3 |\n| c | 4 |\n\ntext');
  expect(addTableRow(text, ['kind', 'name'], ['a', '4'], 'a')).toContain('| a | 2 |\n| a | 4 |\n| b | 3 |');
  expect(() => addTableRow(text, ['name'], [])).toThrow('no table "name"');
  expect(() => addTableRow(text, ['kind'], [], 'z')).toThrow('no row z');
});

it('a name goes to the end of the list that has another', () => {
  expect(addToList("f(['x']); g([\n  'kd',\n  'dkd',\n]);", 'kd', 'b')).toBe(
    "f(['x']); g([\n  'kd',\n  'dkd', 'b',\n]);",
  );
  expect(addToList("toEqual(['kd', 'dkd'])", 'kd', 'b')).toBe("toEqual(['kd', 'dkd', 'b'])");
  expect(() => addToList("['dkd']", 'kd', 'b')).toThrow("no list with 'kd'");
});

it('a name goes to the end of the sentence that has another', () => {
  const text = '| `losses` | Required, at least one. kd, dkd. And so on. |\n| `agent`  | pg, ppo. Needed. |';
  expect(addToSentence(text, '`losses`', 'kd', 'b')).toContain('at least one. kd, dkd, b. And so on.');
  expect(addToSentence(text, '`agent`', 'pg', 'b')).toContain('| pg, ppo, b. Needed.');
  expect(() => addToSentence(text, '`dataset`', 'kd', 'b')).toThrow('no row');
});
