import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, z } from '@retort/core';

/** Names in a run folder: the episodes as a moving picture, and what was earned in them. */
export const playedFiles = { picture: 'student-play.gif', facts: 'student-play.json' };

/** Above this many bytes a picture is left out: the page would be slow to open. */
const mostBytes = 8 * 2 ** 20;

const factsSchema = z.object({
  /** In the order of the picture, from the left. */
  episodes: z.array(z.object({ name: z.string(), return: z.number(), length: z.int() })).min(1),
  /** Steps of the environment between two frames. */
  every: z.int().positive().default(1),
});

/** Episodes that were played by a run's student and its teachers, side by side. */
export interface PlayedEpisodes extends z.output<typeof factsSchema> {
  /** GIF, in base 64. */
  picture: string;
}

/** What a run folder holds of them; `problem` says what is wrong with it. */
export function readPlayedEpisodes(folder: string): { played?: PlayedEpisodes; problem?: string } {
  const [picture, facts] = [join(folder, playedFiles.picture), join(folder, playedFiles.facts)];
  if (!existsSync(picture) || !existsSync(facts)) return {};
  try {
    const parsed = factsSchema.safeParse(JSON.parse(readFileSync(facts, 'utf8')));
    if (!parsed.success) throw new Error(`${facts}: ${parsed.error.issues[0].message}`);
    const { size } = statSync(picture);
    if (size > mostBytes) throw new Error(`${picture} has ${(size / 2 ** 20).toFixed(0)} MiB`);
    const content = readFileSync(picture);
    if (content.toString('latin1', 0, 4) !== 'GIF8') throw new Error(`${picture} is no GIF`);
    return { played: { ...parsed.data, picture: content.toString('base64') } };
  } catch (error) {
    return { problem: `the played episodes are not shown: ${messageOf(error)}` };
  }
}
