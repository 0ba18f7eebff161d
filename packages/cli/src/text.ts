/** Numbers, sizes and tables as people read them in a terminal. */

/** 0.81234 → `81.2 %`. */
export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

/** 3725 → `1 h 2 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds < 10 ? Number(seconds.toFixed(1)) : whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** 1536 → `1.5 KiB`. */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = size < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(size) / 10));
  return `${Number((size / 1024 ** power).toFixed(1))} ${units[power]}`;
}

/** 272474 → `272,474`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Four significant digits. */
export function plain(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** A metric's value: fractions in percent, vectors and matrices by their size. */
export function metricText(name: string, value: unknown): string {
  if (typeof value !== 'number') return Array.isArray(value) ? `(${value.length} values)` : '–';
  return /top-\d|accuracy|agreement|calibration|recall|R@|Pr@|(^|\/)success$/.test(name)
    ? percent(value)
    : plain(value);
}

/** `1 epoch`, `3 epochs`. */
export function plural(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/**
 * Columns under their headings, two spaces apart; those in `right` are set to the right.
 *
 * @param head headings; none for a table without them
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const lines = head.length > 0 ? [head, ...rows] : [...rows];
  const widths = Array.from({ length: Math.max(...lines.map((row) => row.length)) }, (_, c) =>
    Math.max(...lines.map((row) => (row[c] ?? '').length)),
  );
  const set = (row: readonly string[]) =>
    widths
      .map((width, c) => (right.includes(c) ? (row[c] ?? '').padStart(width) : (row[c] ?? '').padEnd(width)))
      .join('  ')
      .trimEnd();
  const ruled = head.length > 0 ? [set(head), widths.map((width) => '─'.repeat(width)).join('  ')] : [];
  return [...ruled, ...rows.map(set)].join('\n');
}

/** Breaks a text at spaces into lines of at most `width`. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines[lines.length - 1];
    if (line.length > 0 && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line.length > 0 ? `${line} ${word}` : word;
  }
  return lines;
}
