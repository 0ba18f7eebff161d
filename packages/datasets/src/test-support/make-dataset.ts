import { createRegistry, InputError, resolvePart, Seeds, type Batch, type Dataset } from '@retort/core';
import { plugin } from '../index.js';

/** Makes a data set as a manifest names it. */
export async function makeDataset(
  written: Record<string, unknown>,
  { seed = 1, baseFolder = '.' } = {},
): Promise<Dataset> {
  const registry = createRegistry([plugin]);
  const scope = registry.createScope();
  const reference = resolvePart(registry, 'dataset', written, 'dataset');
  return scope.create(reference, { scope, seeds: new Seeds(seed), baseFolder, path: 'dataset' });
}

/** What a data set refuses to be made with. */
export async function refusal(written: Record<string, unknown>, baseFolder?: string): Promise<string> {
  const error = await makeDataset(written, { baseFolder }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).text;
}

/** The rows of a batch's tokens. */
export function rowsOf({ inputs }: Batch): number[][] {
  const { data, shape } = inputs.tokens!;
  return Array.from({ length: shape[0] }, (_, i) => [...data.slice(i * shape[1], (i + 1) * shape[1])]);
}

/** The rows a text encodes to. */
export function encoded(dataset: Dataset, texts: string[]): number[][] {
  return texts.map((text) => [...dataset.text!.tokenizer.encode([text]).data]);
}
