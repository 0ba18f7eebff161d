import 'reflect-metadata';
import { container as rootContainer, type DependencyContainer } from 'tsyringe';
import type { z } from 'zod';
import type { Agent, AgentContext } from './agent.js';
import type { Dataset, DatasetContext } from './dataset.js';
import type { Environment, EnvironmentContext } from './environment.js';
import { InputError, messageOf, RetortError, RunError } from './errors.js';
import type { Loss, LossContext } from './loss.js';
import type { Metric, MetricContext } from './metric.js';
import { nearestHint } from './nearest-name.js';
import type { PartReference } from './part-reference.js';
import type { Distribution, DistributionContext, Objective } from './policy.js';
import type { Student, StudentContext } from './student.js';
import type { CacheContext, Teacher, TeacherContext } from './teacher.js';
import type { Tokenizer, TokenizerContext } from './tokenizer.js';
import type { Trainer, TrainerContext } from './trainer.js';
import type { Reward, RewardContext, Weighting, WeightingContext } from './weighting.js';

/** What a backend says when it has started. */
export interface BackendStart {
  /** A line for people: versions, threads. */
  description: string;
  /** The library that computes, and its version: `onnxruntime 1.30.0`. */
  version?: string;
  /** CPU threads it computes on. Results repeat bit for bit at a fixed number. */
  threads?: number;
  /** What else could be asked of it on this machine, a line each, for `retort doctor`. */
  details?: string[];
  /** Of `auto`: the backend it took. */
  took?: PartReference<'backend'>;
}

/** A backend that a run can be put on. */
export interface Backend {
  /** Makes it tfjs's current backend. @throws Error whose first line says why it cannot be had */
  start(): Promise<BackendStart>;
}

/**
 * Kinds of parts: what `create` gets and what it makes. Open: a package adds kinds by declaration merging,
 * `declare module '@retort/core' { interface PartKinds { schedule: { context: …; instance: … } } }`.
 */
export interface PartKinds {
  backend: { context: { registry: Registry }; instance: Backend };
  dataset: { context: DatasetContext; instance: Dataset };
  tokenizer: { context: TokenizerContext; instance: Tokenizer };
  environment: { context: EnvironmentContext; instance: Environment };
  student: { context: StudentContext; instance: Student };
  teacher: { context: TeacherContext; instance: Teacher };
  cache: { context: CacheContext; instance: Teacher };
  loss: { context: LossContext; instance: Loss };
  weighting: { context: WeightingContext; instance: Weighting };
  reward: { context: RewardContext; instance: Reward };
  agent: { context: AgentContext; instance: Agent };
  distribution: { context: DistributionContext; instance: Distribution };
  objective: { context: undefined; instance: Objective };
  metric: { context: MetricContext; instance: Metric };
  trainer: { context: TrainerContext; instance: Trainer };
}

export type PartKind = keyof PartKinds;

/** Outputs a part reads, by whose they are. Whoever composes a run refuses what is not provided. */
export interface Needs {
  student?: string[];
  teacher?: string[];
  /** Of trainers: sections of the manifest that may not be missing or empty. */
  sections?: ('dataset' | 'environment' | 'teachers' | 'agent' | 'losses')[];
  /** Reserved samples that the student is never taught on: the validation split. */
  heldOut?: boolean;
}

/** A loss, agent, teacher adapter … as a plain value that a plugin hands in. */
export interface Part<K extends PartKind = PartKind> {
  kind: K;
  name: string;
  /** One line for `retort list`. */
  summary: string;
  /** A z.strictObject; every option described. */
  options: z.ZodObject;
  needs?: Needs;
  // Bivariant on purpose: the registry stores parts of all option types and calls them with what their own schema parsed.
  create(
    options: never,
    context: PartKinds[K]['context'],
  ): PartKinds[K]['instance'] | Promise<PartKinds[K]['instance']>;
}

/** What one writes to define a part. */
export interface PartDefinition<K extends PartKind, O extends z.ZodObject> {
  name: string;
  summary: string;
  options: O;
  needs?: Needs;
  create(
    options: z.output<O>,
    context: PartKinds[K]['context'],
  ): PartKinds[K]['instance'] | Promise<PartKinds[K]['instance']>;
}

/** Ties a definition's option types together. */
export function definePart<K extends PartKind, O extends z.ZodObject>(
  kind: K,
  definition: PartDefinition<K, O>,
): Part<K> {
  return { kind, ...definition } as unknown as Part<K>;
}

/** {@link definePart} for losses. */
export function defineLoss<O extends z.ZodObject>(definition: PartDefinition<'loss', O>): Part<'loss'> {
  return definePart('loss', definition);
}

/** A package's parts. `register` is called once per registry; importing a plugin does nothing. */
export interface Plugin {
  /** The package's name, shown when two packages claim one name. */
  name: string;
  register(registry: Registry): void;
}

/** Marks a value as a plugin: the `plugin` export of a package or of a file named in a manifest. */
export function definePlugin(plugin: Plugin): Plugin {
  return plugin;
}

interface Registered {
  part: Part;
  plugin: string;
}

/** A typed face over a tsyringe container: the definitions of a process. */
export class Registry {
  readonly #container: DependencyContainer;
  readonly #names = new Map<string, string[]>();
  readonly #plugins = new Set<string>();
  #registering = 'this process';

  constructor() {
    this.#container = rootContainer.createChildContainer();
  }

  /** Registers a package's parts. A plugin that is already there is left alone. */
  use(plugin: Plugin): this {
    if (this.#plugins.has(plugin.name)) return this;
    this.#plugins.add(plugin.name);
    this.#registering = plugin.name;
    try {
      plugin.register(this);
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(`plugin "${plugin.name}" failed to register: ${messageOf(error)}`, { cause: error });
    } finally {
      this.#registering = 'this process';
    }
    return this;
  }

  /** Adds one part. @throws InputError when its kind and name are taken, naming both packages. */
  add(part: Part): this {
    const token = tokenOf(part.kind, part.name);
    if (this.#container.isRegistered(token)) {
      const { plugin } = this.#container.resolve<Registered>(token);
      throw new InputError(
        `${part.kind} "${part.name}" of ${this.#registering} is already registered by ${plugin}; rename one of them`,
      );
    }
    this.#container.register<Registered>(token, { useValue: { part, plugin: this.#registering } });
    this.#names.set(part.kind, [...(this.#names.get(part.kind) ?? []), part.name]);
    return this;
  }

  /** Kinds that have parts. */
  kinds(): PartKind[] {
    return [...this.#names.keys()] as PartKind[];
  }

  /** Parts of a kind with the package each came from, in order of registration. */
  list<K extends PartKind>(kind: K): { part: Part<K>; plugin: string }[] {
    return (this.#names.get(kind) ?? []).map((name) => {
      const registered = this.#container.resolve<Registered>(tokenOf(kind, name));
      return { part: registered.part as unknown as Part<K>, plugin: registered.plugin };
    });
  }

  /** @throws InputError naming the nearest registered name. */
  get<K extends PartKind>(kind: K, name: string): Part<K> {
    const token = tokenOf(kind, name);
    if (!this.#container.isRegistered(token)) {
      const names = this.#names.get(kind) ?? [];
      throw new InputError(`no ${kind} is called "${name}"`, { hints: [nearestHint(name, names)] });
    }
    return this.#container.resolve<Registered>(token).part as unknown as Part<K>;
  }

  has(kind: PartKind, name: string): boolean {
    return this.#container.isRegistered(tokenOf(kind, name));
  }

  /** A scope for one run's instances. */
  createScope(): RunScope {
    return new RunScope(this, this.#container.createChildContainer());
  }
}

/** The parts of one run: made from the registry's definitions, disposed together, last made first. */
export class RunScope {
  readonly #registry: Registry;
  readonly #container: DependencyContainer;
  readonly #made: { dispose?(): void | Promise<void> }[] = [];

  constructor(registry: Registry, container: DependencyContainer) {
    this.#registry = registry;
    this.#container = container;
  }

  get registry(): Registry {
    return this.#registry;
  }

  /** The definition behind a reference. */
  part<K extends PartKind>(reference: PartReference<K>): Part<K> {
    return this.#registry.get(reference.kind, reference.use);
  }

  /** Makes an instance. Whatever it throws that is not an error of ours is reported with the part's name and place. */
  async create<K extends PartKind>(
    reference: PartReference<K>,
    context: PartKinds[K]['context'],
  ): Promise<PartKinds[K]['instance']> {
    const part = this.part(reference);
    let instance: PartKinds[K]['instance'];
    try {
      instance = await part.create(reference.options as never, context);
    } catch (error) {
      if (error instanceof RetortError) throw error;
      throw new RunError(`${reference.path}: ${reference.kind} "${reference.use}" failed: ${messageOf(error)}`, {
        cause: error,
      });
    }
    if (typeof instance === 'object' && instance !== null && 'dispose' in instance) this.own(instance);
    return instance;
  }

  /** Shares a run's value under a name of its own, for parts that need more than their context holds. */
  provide<T>(token: string, value: T): void {
    this.#container.register<T>(token, { useValue: value });
  }

  /** What {@link provide} put there; undefined when nothing did. */
  find<T>(token: string): T | undefined {
    return this.#container.isRegistered(token) ? this.#container.resolve<T>(token) : undefined;
  }

  /** Disposes a value with the run. */
  own(value: { dispose?(): void | Promise<void> }): void {
    this.#made.push(value);
  }

  /** Disposes all instances, whatever some of them throw, then throws the first of that. */
  async dispose(): Promise<void> {
    const errors: unknown[] = [];
    for (const instance of this.#made.splice(0).reverse()) {
      try {
        await instance.dispose?.();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

function tokenOf(kind: string, name: string): string {
  return `retort:${kind}:${name}`;
}
