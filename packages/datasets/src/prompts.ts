import { InputError, nearestHint, partReference, z, type DatasetContext, type DatasetText } from '@retort/core';

/**
 * Templates of texts that stand for a class, `{}` in place of its name.
 *
 * `photographs`: the seven that CLIP's authors found to do best together on ImageNet ("Prompt Engineering for ImageNet", the
 * notebook beside the paper, Radford et al. 2021). `satellite`: theirs for EuroSAT, then those for RESISC45 without an article
 * (data/prompts.md of the same repository).
 */
export const promptSets = {
  photographs: [
    'itap of a {}.',
    'a bad photo of the {}.',
    'a origami {}.',
    'a photo of the large {}.',
    'a {} in a video game.',
    'art of the {}.',
    'a photo of the small {}.',
  ],
  satellite: [
    'a centered satellite photo of {}.',
    'a centered satellite photo of a {}.',
    'a centered satellite photo of the {}.',
    'satellite imagery of {}.',
    'aerial imagery of {}.',
    'satellite photo of {}.',
    'aerial photo of {}.',
    'satellite view of {}.',
    'aerial view of {}.',
  ],
} as const;

type PromptSet = keyof typeof promptSets;

const setNames = Object.keys(promptSets) as [PromptSet, ...PromptSet[]];
const templates = z.array(z.string().regex(/\{\}/, { error: 'a template needs {} where the class goes' })).min(1);

/** By what was written, so that a misspelled name is told as such, where a union would only say that neither fits. */
const promptsOption = z
  .custom<PromptSet | string[]>()
  .check((payload) => {
    const kind = typeof payload.value === 'string' ? z.enum(setNames) : templates;
    for (const issue of kind.safeParse(payload.value).error?.issues ?? []) {
      payload.issues.push({ ...issue, input: payload.value } as z.core.$ZodRawIssue);
    }
  })
  .meta({
    anyOf: [
      { type: 'string', enum: setNames },
      { type: 'array', minItems: 1, items: { type: 'string', pattern: '\\{\\}' } },
    ],
  });

/** Options of data sets whose classes can be told by texts. */
export const textOptions = {
  tokenizer: partReference('tokenizer')
    .optional()
    .describe(
      'Turns texts into ids for student and teachers with a text encoder; needed for zero-shot classification.',
    ),
  prompts: promptsOption
    .optional()
    .describe(
      'Texts that stand for a class, `{}` in place of its name: photographs (7 templates, unless this is given), satellite (9), ' +
        'or a list of templates.',
    ),
  names: z
    .record(z.string(), z.string())
    .optional()
    .describe('What prompts call a class: class to name. Others go by their own, `AnnualCrop` as "annual crop".'),
};

/** {@link textOptions} after validation. */
export type TextOptions = z.output<z.ZodObject<typeof textOptions>>;

/**
 * Every class in every template, a row per class.
 *
 * @throws InputError when `names` names no class
 */
export function classPrompts(
  classes: readonly string[],
  { prompts = 'photographs', names = {} }: Pick<TextOptions, 'prompts' | 'names'>,
  where: string,
): string[][] {
  const stray = Object.keys(names).find((name) => !classes.includes(name));
  if (stray !== undefined) {
    throw new InputError(`names: "${stray}" is no class`, { hints: [nearestHint(stray, classes)], where });
  }
  const chosen = typeof prompts === 'string' ? promptSets[prompts] : prompts;
  return classes.map((name) => {
    const spoken = names[name] ?? spokenName(name);
    return chosen.map((template) => template.replaceAll('{}', () => spoken));
  });
}

/** A class's name as people write it: `AnnualCrop` as "annual crop", `maple_tree` as "maple tree". */
export function spokenName(name: string): string {
  return name
    .replace(/_/g, ' ')
    .replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
}

/**
 * The texts of a data set of classes without captions; undefined, at once, without a tokenizer.
 *
 * @throws InputError for prompts without a tokenizer, and for those with words that its vocabulary lacks
 */
export function textOfClasses(
  classes: readonly string[],
  { tokenizer: reference, prompts, names }: TextOptions,
  { scope, baseFolder, path }: Pick<DatasetContext, 'scope' | 'baseFolder' | 'path'>,
): Promise<DatasetText> | undefined {
  if (!reference) {
    const unused = prompts !== undefined ? 'prompts' : names !== undefined ? 'names' : undefined;
    if (unused === undefined) return undefined;
    throw new InputError(`${unused}: of no use without a tokenizer`, {
      hints: [
        'tokenizer: words makes one of the prompts, { use: clip-bpe, file: tokenizer.json } reads that of a model',
      ],
      where: path,
    });
  }
  const texts = classPrompts(classes, { prompts, names }, path);
  return scope.create(reference, { texts: texts.flat(), baseFolder, path: reference.path }).then((tokenizer) => {
    // Words that it lacks are told now, not when the first batch is scored.
    tokenizer.encode(texts.flat());
    return { tokenizer, prompts: texts };
  });
}
