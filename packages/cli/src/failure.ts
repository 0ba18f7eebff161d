/** How a failure is told and which exit code it has. */
export interface Failure {
  text: string;
  exitCode: number;
}

/** Told by its looks and not by its class, so that `retort --help` need not load the core, nor a plugin share our copy of it. */
interface ToldError extends Error {
  text: string;
  exitCode: number;
}

/**
 * Errors of Retort by their text; anything else is a fault of ours or of a plugin and says how to see more.
 *
 * @param debug append stack traces, of causes too
 */
export function describeFailure(error: unknown, { debug = false } = {}): Failure {
  const told = isTold(error);
  const message = error instanceof Error ? error.message || error.name : String(error);
  const text = told ? error.text : message;
  const hint = told || debug ? '' : '\n  this was not foreseen; run it again with --debug to see where it comes from';
  return { text: `retort: ${text}${hint}${debug ? `\n\n${stackOf(error)}` : ''}`, exitCode: told ? error.exitCode : 1 };
}

function isTold(error: unknown): error is ToldError {
  return error instanceof Error && typeof (error as Partial<ToldError>).text === 'string' && 'exitCode' in error;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
