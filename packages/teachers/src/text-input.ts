import { InputError, type TeacherContext } from '@retort/core';
import type * as tf from '@tensorflow/tfjs';

/**
 * Refuses a text encoder that was not made for the ids of the data set's tokenizer, as far as its layers tell: texts of another
 * length, another size of vocabulary, another end token.
 *
 * @param model ids [T, N] in, embeddings out
 */
export function checkTextInput(model: tf.LayersModel, file: string, { text, path: where }: TeacherContext): void {
  if (!text) return;
  const { contextLength, vocabularySize, endToken } = text.tokenizer;
  const settings = model.layers.map((layer) => [layer.getClassName(), layer.getConfig()] as const);
  const ofLayer = (type: string, name: string) => settings.find(([each]) => each === type)?.[1][name];
  const differences = [
    ['ids a text', model.inputs[0].shape[1], contextLength],
    ['ids in its vocabulary', ofLayer('Embedding', 'inputDim'), vocabularySize],
    ['as the id that ends a text', ofLayer('EndTokenPool', 'endToken'), endToken],
  ].filter(([, asked, given]) => typeof asked === 'number' && asked !== given);
  if (differences.length > 0) {
    const told = differences.map(([what, asked, given]) => `${asked}, not ${given}, ${what}`).join('; ');
    throw new InputError(`${file} reads texts of another tokenizer than the data set's: it has ${told}`, {
      hints: ['dataset.tokenizer: the one that this network was trained with; student and teachers share it'],
      where,
    });
  }
}
