import * as tf from '@tensorflow/tfjs';
import { layersModelTeacher } from '../layers-model-teacher.js';
import { answers, cacheOf, counted, imagesWithViews } from './cached-teacher.js';
import { teacherContext } from './teacher-inputs.js';

/** A process of its own that fills a cache: says when it is ready, begins when told to, and sends what it got. */
export interface CacheJob {
  folder: string;
  model: string;
  taps: Record<string, string>;
  views: number;
  train: number;
  seed: number;
}

tf.env().set('IS_TEST', true);
await tf.setBackend('cpu');
process.once('message', (job: CacheJob) => {
  void run(job).then((result) => process.send!(result, undefined, undefined, () => process.disconnect()));
});
process.send!('ready');

async function run({ folder, model, taps, views, train, seed }: CacheJob): Promise<object> {
  const options = layersModelTeacher.options.parse({ path: model, preprocessing: 'none', taps });
  const teacher = counted(await layersModelTeacher.create(options as never, teacherContext()));
  const dataset = imagesWithViews({ views, train, seed });
  const { cached, told } = await cacheOf(teacher, dataset, { folder });
  const epochs = Array.from({ length: 2 * views }, (_, epoch) => epoch);
  const found = await answers(cached, dataset, epochs);
  await cached.dispose();
  return { found, calls: teacher.calls, warnings: told.filter(({ type }) => type === 'warning') };
}
