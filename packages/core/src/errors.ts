/** Where and how an error can be mended, shown under its message. */
export interface ErrorDetails {
  /** Further lines, one fact or remedy each. */
  hints?: string[];
  /** `file:line`, or a path inside the manifest. */
  where?: string;
  cause?: unknown;
}

/** An error whose text is meant for the user. The cli prints it without a stack trace. */
export class RetortError extends Error {
  readonly exitCode: number = 1;
  readonly hints: string[];
  readonly where: string | undefined;

  constructor(message: string, { hints = [], where, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.hints = hints;
    this.where = where;
  }

  /** The message, its hints and its place, a line each. */
  get text(): string {
    return [this.message, ...this.hints.map((hint) => `  ${hint}`), ...(this.where ? [`  ${this.where}`] : [])].join(
      '\n',
    );
  }
}

/** Something in the user's input that the user can mend: manifest, files, shapes, names. Exit code 2. */
export class InputError extends RetortError {
  override readonly exitCode = 2;
}

/** A failure while running: a loss that is not finite, a full disk, a damaged checkpoint. Exit code 1. */
export class RunError extends RetortError {
  override readonly exitCode = 1;
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
