/** Where a command speaks: results on stdout, everything else on stderr. */
export interface Terminal {
  /** A result: a table, or JSON. */
  print(text: string): void;
  /** A remark for people; left out with --quiet. */
  note(text: string): void;
  quiet: boolean;
  /** Results as JSON. */
  json: boolean;
}

/** Options that every command has. */
export interface GlobalOptions {
  quiet?: boolean;
  json?: boolean;
  debug?: boolean;
}

export function createTerminal({ quiet = false, json = false }: GlobalOptions): Terminal {
  return {
    quiet,
    json,
    print: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void (quiet || process.stderr.write(`${text}\n`)),
  };
}
