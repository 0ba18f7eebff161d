/**
 * Edits of our sources and documents as text. Each one looks for the place that the sources are known to have and refuses when it is
 * not there, so that nothing is half done.
 */

/**
 * Adds an import of a module beside `src/index.ts`, in the order of file names.
 *
 * @param {string} index text of an index.ts
 * @param {string} name
 * @param {string} file without extension
 * @returns {string}
 */
export function addImport(index, name, file) {
  return insertSorted(index, 'import', `import { ${name} } from './${file}.js';`, file);
}

/**
 * Adds an export, likewise.
 *
 * @param {string} index
 * @param {string[]} names
 * @param {string} file
 * @returns {string}
 */
export function addExport(index, names, file) {
  return insertSorted(index, 'export', `export { ${names.join(', ')} } from './${file}.js';`, file);
}

/**
 * @param {string} index
 * @param {'import' | 'export'} keyword
 * @param {string} line
 * @param {string} file
 */
function insertSorted(index, keyword, line, file) {
  const statements = [
    ...index.matchAll(new RegExp(`^${keyword} (?:type )?\\{[^}]*\\} from '\\./([^']*)\\.js';\\n`, 'gm')),
  ];
  const last = statements.at(-1);
  if (!last) throw new Error(`index.ts has no ${keyword} from a file beside it`);
  const next = statements.find(([, other]) => other > file);
  const at = next ? next.index : last.index + last[0].length;
  return `${index.slice(0, at)}${line}\n${index.slice(at)}`;
}

/**
 * Registers a part with the plugin of an index.ts.
 *
 * @param {string} index
 * @param {string} name of the part's constant
 * @returns {string}
 */
export function addRegistration(index, name) {
  const body = /register\(registry\) \{\n([^]*?)\n {2}\},/.exec(index);
  if (!body) throw new Error('index.ts has no plugin with register(registry) { … }');
  const at = body.index + body[0].length - '\n  },'.length;
  const statements = index.slice(0, at);
  // A chain of calls on the registry gets one more; after a loop stands a call of its own.
  const end = body[1].lastIndexOf(';\n');
  const isChain = body[1].slice(end < 0 ? 0 : end + 2).startsWith('    registry');
  return isChain
    ? `${statements.replace(/;$/, '')}.add(${name});${index.slice(at)}`
    : `${statements}\n    registry.add(${name});${index.slice(at)}`;
}

/**
 * Adds a row to the first Markdown table of a heading.
 *
 * @param {string} markdown
 * @param {string[]} header the first cells of the table's header
 * @param {string[]} cells
 * @param {string} [after] the row goes behind the last one whose first cell is this; at the end if not given
 * @returns {string}
 */
export function addTableRow(markdown, header, cells, after) {
  const lines = markdown.split('\n');
  const cellsOf = (/** @type {string} */ line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const isRow = (/** @type {string | undefined} */ line) => line?.startsWith('|') ?? false;
  const first = lines.findIndex((line) => isRow(line) && header.every((cell, i) => cellsOf(line)[i] === cell));
  if (first < 0) throw new Error(`there is no table "${header.join(' | ')}"`);
  let last = first;
  for (let i = first; isRow(lines[i]); i++) if (after === undefined || cellsOf(lines[i])[0] === after) last = i;
  if (last === first) throw new Error(`the table "${header.join(' | ')}" has no row ${after ?? ''}`);
  lines.splice(last + 1, 0, `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

/**
 * Adds a name to the first list of names in a source that holds another one: `['kd', 'dkd']`.
 *
 * @param {string} source
 * @param {string} known
 * @param {string} name
 * @returns {string}
 */
export function addToList(source, known, name) {
  const list = new RegExp(`\\[[^[\\]]*'${known}'[^[\\]]*?(?=,?\\s*\\])`).exec(source);
  if (!list) throw new Error(`there is no list with '${known}'`);
  const at = list.index + list[0].length;
  return `${source.slice(0, at)}, '${name}'${source.slice(at)}`;
}

/**
 * Adds a name to the end of a sentence that lists names, in a row of a Markdown table: `| agent | pg, ppo. Needed by … |`.
 *
 * @param {string} markdown
 * @param {string} row its first cell
 * @param {string} known a name in that sentence
 * @param {string} name
 * @returns {string}
 */
export function addToSentence(markdown, row, known, name) {
  const sentence = new RegExp(`^\\| ${row} +\\|.*?\\b${known}\\b[^.|]*(?=\\.)`, 'm').exec(markdown);
  if (!sentence) throw new Error(`there is no row "${row}" that lists ${known}`);
  const at = sentence.index + sentence[0].length;
  return `${markdown.slice(0, at)}, ${name}${markdown.slice(at)}`;
}
