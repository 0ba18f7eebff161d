import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { CompareOptions } from './commands/compare.js';
import type { EmbedOptions } from './commands/embed.js';
import type { EvalOptions } from './commands/eval.js';
import type { ExportOptions } from './commands/export.js';
import type { PlayOptions } from './commands/play.js';
import { describeFailure } from './failure.js';
import { createTerminal, type GlobalOptions, type Terminal } from './terminal.js';

/** Exit code for what the user can mend in their input. */
const INPUT_ERROR = 2;

const collect = (value: string, earlier: string[]) => [...earlier, value];

/** `a, b` as a list. */
function names(text: string): string[] {
  const list = text.split(',').map((name) => name.trim());
  if (list.includes('')) throw new InvalidArgumentError('It must be names with commas between.');
  return list;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function positiveNumber(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError('It must be at least 1.');
  return number;
}

function framesPerSecond(text: string): number {
  const number = positiveNumber(text);
  if (number > 50) throw new InvalidArgumentError('It must be at most 50: viewers slow down what is faster.');
  return number;
}

/**
 * The `retort` command. Implementations are imported when they are called, so that help is there at once.
 *
 * @param argv as in process.argv
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  let exitCode = 0;
  const program = new Command('retort');

  /** Runs an implementation with the terminal that the global options ask for. */
  const run =
    (implementation: (terminal: Terminal, ...args: never[]) => Promise<number>) =>
    async (...args: unknown[]): Promise<void> => {
      const command = args.at(-1) as Command;
      exitCode = await implementation(createTerminal(command.optsWithGlobals<GlobalOptions>()), ...(args as never[]));
    };
  const command = (usage: string, summary: string, help: string): Command =>
    program
      .command(usage)
      .summary(summary)
      .description(summary)
      .addHelpText('after', `\n${help.trim()}\n`)
      .configureHelp({ showGlobalOptions: true });

  program
    .description('Distills large neural networks into small ones, with reinforcement learning in the loop.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help; after a command, help and examples for it')
    .helpCommand('help [command]', 'print help for a command')
    .option('--debug', 'print stack traces of errors')
    .option('--quiet', 'print results and errors only')
    .option('--json', 'print results as JSON')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'retort: ')) })
    .addHelpText(
      'after',
      `
Start here:
  $ retort quickstart           small teachers, three students and a report, in a minute
  $ retort init my-run          a commented manifest to change
  $ retort train my-run/manifest.yaml

Exit codes: 0 done, 1 failed while running, 2 something in your input to mend, 130 interrupted.
`,
    );

  command(
    'quickstart [folder]',
    'train small teachers on generated images, distill them, compare',
    `
Trains three teachers, each good at a part of the classes, then the same student three times: without
teachers, with equal weights, and with an agent that learns whom to trust. Needs no data and no network.
Runs that are finished are kept, so it can be stopped and started again.

Examples:
  $ retort quickstart
  $ retort quickstart /tmp/first-look
`,
  )
    .option('--overwrite', 'start over')
    .action(
      run(async (terminal, folder: string | undefined, options: { overwrite?: boolean }) =>
        (await import('./commands/quickstart.js')).quickstart(folder ?? 'quickstart', options, terminal),
      ),
    );

  command(
    'init [folder]',
    'write a commented manifest to start from',
    `
Writes a set for generated images: teacher.yaml trains a teacher, manifest.yaml distills a student from several
with an agent that weighs them, two-stages.yaml from one with distillation first and rewards then (KDRL).
policy.yaml needs no data: an agent learns to balance a pole.
Files that are there already are left alone.

Examples:
  $ retort init                 into the current folder
  $ retort init my-run
  $ retort train my-run/teacher.yaml && retort train my-run/manifest.yaml
`,
  ).action(
    run(async (terminal, folder: string | undefined) =>
      (await import('./commands/init.js')).init(folder ?? '.', terminal),
    ),
  );

  const settings = new Option('-s, --set <path=value>', 'change a value of the manifest; may be repeated')
    .argParser(collect)
    .default([], 'none');

  command(
    'validate <manifest>',
    'check a manifest and estimate memory and time; trains nothing',
    `
Reads the data and the teachers, builds the student and times a few steps. Writes nothing.

Examples:
  $ retort validate manifest.yaml
  $ retort validate manifest.yaml --set trainer.epochs=100
`,
  )
    .addOption(settings)
    .action(
      run(async (terminal, manifest: string, options: { set: string[] }) =>
        (await import('./commands/validate.js')).validate(manifest, options, terminal),
      ),
    );

  command(
    'train <manifest>',
    'train what a manifest describes',
    `
The run folder (runs/NAME, or run.folder of the manifest) gets the students, checkpoints, the log and
report.html. Ctrl-C writes a checkpoint and says how to go on; a second one stops at once.
A list entry is named by its id or its number.

Examples:
  $ retort train manifest.yaml
  $ retort train manifest.yaml --set agent=ppo --folder runs/ppo
  $ retort train manifest.yaml --set trainer.epochs=5 --set losses.kd.temperature=2 --overwrite
  $ retort train kdrl.yaml --set trainer.stage2.algorithm=ppo --set trainer.stage2.rewards.0.weight=0.2
`,
  )
    .addOption(settings)
    .option('-f, --folder <folder>', 'run folder; the same as --set run.folder=…')
    .option('--overwrite', 'replace the run that is in the folder')
    .action(
      run(async (terminal, manifest: string, options: { set: string[]; folder?: string; overwrite?: boolean }) =>
        (await import('./commands/train.js')).train(manifest, options, terminal),
      ),
    );

  command(
    'resume <run>',
    'go on with a run that was interrupted or killed',
    `
Ends with the same numbers, bit for bit, as if it had never stopped.

Examples:
  $ retort resume runs/my-run
  $ retort resume runs/my-run --step 400     from an earlier checkpoint
`,
  )
    .option('--step <n>', 'checkpoint to go on from; the last one if not given', wholeNumber)
    .action(
      run(async (terminal, folder: string, options: { step?: number }) =>
        (await import('./commands/resume.js')).resume(folder, options, terminal),
      ),
    );

  command(
    'eval [run-or-student]',
    'measure a saved student, or a teacher, on a split of a data set',
    `
By itself a run's student is measured as its run did: on the same data, with the same metrics. With --data it is
measured on the data set of another manifest, or run; so is a student that was copied out of its run, or a
teacher. What is computed follows from what the network gives and the data set brings:

  logits, and labels                         classification
  two encoders, and prompts of the classes   zero-shot classification
  two encoders, and captions                 retrieval: which text belongs to which image
  boxes, and phrases with boxes              grounding: where is what the phrase names

What acts is measured by its returns, over whole episodes of the environment that was trained in, or of --data's.
Metrics are those of --metrics, else those that the manifest lists and that fit, else all that fit. Of the manifest
only dataset, seed, plugins and metrics are read. Classes may be in any order, but must be the same; texts need
the tokenizer that the network was trained with.

Examples:
  $ retort eval runs/my-run                             the best student, test split
  $ retort eval runs/my-run/student/last --split validation
  $ retort eval path/to/student --data manifest.yaml --metrics top-1,per-class-accuracy
  $ retort eval runs/clip --data zero-shot.yaml --set dataset.limit=1000 --json
  $ retort eval runs/cartpole --episodes 100 --set environment.timeLimit=1000
  $ retort eval --teacher manifest.yaml#r56             on the data set of that manifest
  $ retort eval --teacher runs/clip#large --data retrieval.yaml
`,
  )
    .addOption(new Option('--split <split>', 'which images').choices(['train', 'validation', 'test']).default('test'))
    .option('--teacher <manifest#id>', 'a teacher of a manifest or run; the id, where several are listed')
    .option('--data <manifest-or-run>', "whose data set; the run's own, or the teacher's manifest, if not given")
    .addOption(
      new Option('--metrics <names>', '`retort list metric` shows them; several with commas between').argParser(names),
    )
    .option('--episodes <n>', "of what acts; as many as its run's evaluations if not given", positiveNumber)
    .addOption(settings)
    .option('--backend <name>', "what computes; `retort doctor` lists them (default: a run's own, else auto)")
    .action(
      run(async (terminal, path: string | undefined, options: EvalOptions) =>
        (await import('./commands/eval.js')).evaluate(path, options, terminal),
      ),
    );

  command(
    'play <run-or-student>',
    'let a saved policy play in its environment: returns, a terminal to watch, a GIF',
    `
Plays episodes by the best action, without exploring, in the environment it was trained in. In a terminal they are
shown as they go. Every policy plays every episode from the same start, so that they compare; the seed decides
about the starts. Policies must act between the same spaces: observations of one shape, and the same actions.

A GIF shows all episodes, those of several policies side by side; whoever is done first stands still. --record
keeps every step of one policy: states, actions, rewards, and what its network says of each state. Students learn
from it without the policy: trainer policy-distillation, option recording.

Examples:
  $ retort play runs/cartpole                                   the best student, three episodes
  $ retort play runs/cartpole --student last --episodes 10 --seed 7
  $ retort play runs/student --beside runs/teacher --gif both.gif
  $ retort play runs/cartpole --set environment.timeLimit=1000
  $ retort play path/to/student --environment '{ use: cart-pole, timeLimit: 200 }' --json
  $ retort play runs/teacher --episodes 100 --sampled --record teacher.safetensors --quiet
`,
  )
    .addOption(
      new Option('--student <which>', 'which student of a run; the best if there is one').choices(['best', 'last']),
    )
    .addOption(
      new Option('--beside <run-or-student...>', 'other policies, to play the same episodes').default([], 'none'),
    )
    .option('-n, --episodes <n>', 'episodes of each policy', positiveNumber, 3)
    .option('--seed <n>', 'decides how episodes start', wholeNumber, 0)
    .option('--sampled', 'draw discrete actions by their probabilities instead of taking the best')
    .option('--environment <part>', "name or YAML of another one; the run's own if not given")
    .addOption(settings)
    .option('--gif <file>', 'write the episodes as a moving picture')
    .option('--fps <n>', 'frames in a second, 1 to 50', framesPerSecond, 30)
    .option('--record <file>', 'write every step, to be learned from; ends in .safetensors')
    .option('--overwrite', 'replace files that are there')
    .option('--backend <name>', 'what computes; `retort doctor` lists them', 'auto')
    .action(
      run(async (terminal, path: string, options: PlayOptions) =>
        (await import('./commands/play.js')).play(path, options, terminal),
      ),
    );

  command(
    'predict <folder>',
    'classify the images in a folder with a saved student',
    `
JPEG, PNG and WebP files, subfolders included, scaled to the student's size.

Examples:
  $ retort predict photos --student runs/my-run/student/best
  $ retort predict photos --student runs/my-run --csv > classes.csv
  $ retort predict photos --student runs/my-run --json
`,
  )
    .requiredOption('--student <folder>', "a run's student/best, or the run folder")
    .option('--csv', 'print a line per image with the probability of every class')
    .option('--backend <name>', 'what computes; `retort doctor` lists them', 'auto')
    .action(
      run(async (terminal, folder: string, options: { student: string; csv?: boolean; backend: string }) =>
        (await import('./commands/predict.js')).predict(folder, options, terminal),
      ),
    );

  command(
    'embed <folder>',
    'write the embeddings of a folder of images, from a student or a teacher',
    `
JPEG, PNG and WebP files, subfolders included, sorted by name, scaled to the network's size, center kept. Every
image becomes a row of numbers: what the network makes of it before it names a class. Alike images get rows that
point the same way, so rows serve for search, for clusters, or for a classifier of your own.

FILE.npy holds float32 [images, numbers], and FILE.files.txt the names, a line for each row. FILE.parquet holds
both, in the columns file and embedding. A file is written whole or not at all; stopped or killed, the same
command goes on where it was, as long as network and images are the same.

A teacher is named by a manifest, or a run, and its id there. The data set of the manifest says how large its
images are, so it must be there too.

Examples:
  $ retort embed photos --student runs/my-run                     photos.npy, photos.files.txt
  $ retort embed photos --student runs/my-run/student/last --normalize -o photos.parquet
  $ retort embed photos --teacher manifest.yaml#r56 -o r56.npy
  $ retort embed photos --teacher runs/my-run#clip --take imageEmbedding
`,
  )
    .option('--student <run-or-student>', 'a run folder (its best student), or the folder of a student')
    .addOption(
      new Option(
        '--teacher <manifest#id>',
        'a teacher of a manifest or run; the id, where several are listed',
      ).conflicts('student'),
    )
    .addOption(
      new Option('--take <output>', 'which of its outputs; imageEmbedding where it has one, else embedding').choices([
        'embedding',
        'imageEmbedding',
      ]),
    )
    .option('-o, --output <file>', 'ends in .npy or .parquet; FOLDER.npy here if not given')
    .option('--normalize', 'divide every row by its length, so that products of rows are cosines')
    .option('--overwrite', 'replace a file that is there')
    .option('--backend <name>', 'what computes; `retort doctor` lists them', 'auto')
    .action(
      run(async (terminal, folder: string, options: EmbedOptions) =>
        (await import('./commands/embed.js')).embed(folder, options, terminal),
      ),
    );

  command(
    'export <run-or-student>',
    'write a student as one ONNX file, for use outside of tfjs',
    `
Batch normalization is folded into the convolutions; inputs and outputs have names. The file is loaded in
onnxruntime and compared with the student on random images before it is written: model.onnx beside the
student's model.json, whole or not at all.

Examples:
  $ retort export runs/my-run                           the best student: runs/my-run/student/best/model.onnx
  $ retort export runs/my-run --student last -o last.onnx
  $ retort export runs/my-run --pixels uint8 --batch 1  bytes of one image in, for an app
  $ retort export runs/my-run --preprocessing outside   normalize images yourself; it prints how
  $ retort export path/to/model.json --opset 13 --layout nchw
`,
  )
    .option('--format <name>', 'kind of file: onnx', 'onnx')
    .addOption(
      new Option('--student <which>', 'which student of a run; the best if there is one').choices(['best', 'last']),
    )
    .option('-o, --output <file>', 'the file; model.onnx beside model.json if not given')
    .option('--opset <n>', "version of ONNX's operators, 13 to 22; older software reads lower ones", '17')
    .option('--batch <n>', 'images in a call, or free for any number', 'free')
    .addOption(
      new Option('--preprocessing <where>', 'whether normalizing images is in the file')
        .choices(['inside', 'outside'])
        .default('inside'),
    )
    .addOption(
      new Option('--pixels <type>', 'numbers in [0, 1], or bytes').choices(['float32', 'uint8']).default('float32'),
    )
    .addOption(new Option('--layout <axes>', 'of images and feature maps').choices(['nhwc', 'nchw']).default('nhwc'))
    .option('--overwrite', 'replace a file that is there')
    .action(
      run(async (terminal, path: string, options: ExportOptions) =>
        (await import('./commands/export.js')).exportStudent(path, options, terminal),
      ),
    );

  command(
    'list [kind] [part]',
    'list the parts a manifest can use, their options and defaults',
    `
Options of options are named by their path: stage2.anneal.to is "to" in "anneal" in "stage2". An option whose
type is a kind of part, such as optimizer, takes the name of one, or { use: NAME, … } with options of its own.

Examples:
  $ retort list                 every part, one line each
  $ retort list loss            losses with their options
  $ retort list trainer kdrl    one part
  $ retort list agent --json
`,
  ).action(
    run(async (terminal, kind: string | undefined, part: string | undefined) =>
      (await import('./commands/list.js')).list(kind, part, terminal),
    ),
  );

  command(
    'report <runs...>',
    'write report.html for a run, or one that compares several',
    `
Examples:
  $ retort report runs/my-run
  $ retort report runs/baseline runs/equal runs/agent -o comparison.html
`,
  )
    .option('-o, --output <file>', 'the file; RUN/report.html for one run, report.html for several')
    .action(
      run(async (terminal, runs: string[], options: { output?: string }) =>
        (await import('./commands/report.js')).report(runs, options, terminal),
      ),
    );

  command(
    'compare <files...>',
    'run arms of a comparison with several seeds, paired, and write tables and a page',
    `
An arm is a manifest, or a variant of one; every arm is run with every seed, each run in a process of its own.
A finished run leaves one file in OUT/runs; the same command goes on where it was stopped, on another machine
too. A run that fails is noted and ends nothing else. At the end: means over seeds, and each arm minus the
baseline, pair by pair, with 95 % intervals and Holm's correction; comparison.md, .csv, .html and runs.csv.

A protocol file keeps all of this in one place:

  manifest: manifests/student.yaml
  seeds: 1..5
  baseline: none
  arms:
    none: [trainer.weighting=none]
    equal: [trainer.weighting=equal]
    agent: { set: [agent=ppo], seeds: 1..10 }

Examples:
  $ retort compare protocol.yaml --workers 2
  $ retort compare baseline.yaml agent.yaml --seeds 1..5
  $ retort compare student.yaml --seeds 1..3 --arm none=trainer.weighting=none --arm agent
  $ retort compare student.yaml --arm ppo='agent=ppo,trainer.epochs=60' --arm pg='trainer.epochs=60'
  $ retort compare protocol.yaml --dry-run                         what is to do, and how long it takes
  $ retort compare protocol.yaml --job $SLURM_ARRAY_TASK_ID        one run, on a cluster
  $ retort compare protocol.yaml --job $JOB_COMPLETION_INDEX       the same in Kubernetes
  $ retort compare protocol.yaml --summarize-only --metric nll
`,
  )
    .addOption(
      new Option('-a, --arm <name=settings>', "variant of one manifest: NAME='key=value,key=value'; may be repeated")
        .argParser(collect)
        .default([], 'none'),
    )
    .option('--seeds <list>', '1..5, or 1,2,7 (default: 1..5)')
    .option(
      '--baseline <arm>',
      'the arm that others are compared with (default: baseline if there is one, else the first)',
    )
    .option(
      '--metric <name>',
      'what is compared: a metric of the test split, or validation/NAME (default: top-1, or return of what acts)',
    )
    .option('--name <name>', 'of the comparison (default: that of the protocol or the manifests)')
    .addOption(settings)
    .option('-f, --folder <out>', 'where results go (default: runs/compare-NAME)')
    .option('-w, --workers <n>', 'runs at a time', positiveNumber, 1)
    .option('--no-estimate', 'do not time a few steps of every arm first')
    .addOption(
      new Option('--list-jobs', 'list the runs with their numbers and which are done').conflicts([
        'dryRun',
        'job',
        'summarizeOnly',
      ]),
    )
    .addOption(
      new Option('--dry-run', 'the same, and estimate the time; trains nothing').conflicts(['job', 'summarizeOnly']),
    )
    .addOption(
      new Option('--job <n>', 'make one run of the list and no summary')
        .argParser(wholeNumber)
        .conflicts('summarizeOnly'),
    )
    .option('--summarize-only', 'tables and page of the results that are there')
    .action(
      run(async (terminal, files: string[], options: CompareOptions) =>
        (await import('./commands/compare.js')).compare(files, options, terminal),
      ),
    );

  command(
    'doctor',
    'show versions and which backends work, each with a two-second speed test',
    `
Examples:
  $ retort doctor
  $ retort doctor --json
`,
  ).action(run(async (terminal) => (await import('./commands/doctor.js')).doctor(terminal)));

  command(
    'schema',
    'print the JSON schema of manifests, for completion in editors',
    `
Put "# yaml-language-server: $schema=manifest.schema.json" in the first line of a manifest.

Examples:
  $ retort schema -o manifest.schema.json
  $ retort schema --plugin ./my-adapter.js -o manifest.schema.json
`,
  )
    .addOption(
      new Option('-p, --plugin <name>', 'package or file whose parts are included; may be repeated')
        .argParser(collect)
        .default([], 'none'),
    )
    .option('-o, --output <file>', 'write it there')
    .action(
      run(async (terminal, options: { plugin: string[]; output?: string }) =>
        (await import('./commands/schema.js')).schema(options, terminal),
      ),
    );

  try {
    await program.parseAsync(argv as string[]);
    return exitCode;
  } catch (error) {
    // Help and version leave through here as well, with exit code 0; what was wrong has been printed.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : INPUT_ERROR;
    const failure = describeFailure(error, { debug: program.opts<GlobalOptions>().debug });
    process.stderr.write(`${failure.text}\n`);
    return failure.exitCode;
  }
}
