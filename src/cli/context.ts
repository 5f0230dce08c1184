/** What a command works with: made once for each run of the program, opened when it is first needed. */
import { type Config, controlOf } from '../config/config.ts';
import { type ControlStore, openControlStore } from '../control/store.ts';
import type { Database } from '../model/topology.ts';
import { connect } from '../pg/conninfo.ts';
import type { Session } from '../pg/session.ts';
import type { Options } from './options.ts';
import type { Output } from './output.ts';

/** How failures name the control database, in their sentence and in their facts. */
export const controlLabel = 'the control database';

export interface Surroundings {
  readonly options: Options;
  readonly out: Output;
  readonly loadConfig: () => Promise<Config>;
  /** Ends what is under way: somebody pressed ^C. */
  readonly signal: AbortSignal;
}

export class Context implements AsyncDisposable {
  readonly options: Options;
  readonly out: Output;
  readonly signal: AbortSignal;
  readonly #loadConfig: () => Promise<Config>;
  #config: Promise<Config> | null = null;
  #control: Promise<ControlStore> | null = null;

  constructor({ options, out, loadConfig, signal }: Surroundings) {
    this.options = options;
    this.out = out;
    this.signal = signal;
    this.#loadConfig = loadConfig;
  }

  /** @throws ReplicationError `configuration_invalid` */
  config(): Promise<Config> {
    this.#config ??= this.#loadConfig();
    return this.#config;
  }

  /** @throws ReplicationError `not_installed`, or why the control database cannot be reached */
  control(): Promise<ControlStore> {
    this.#control ??= this.#openControl();
    return this.#control;
  }

  /** The control database itself, for `install`; the caller closes it. */
  async connectControl(): Promise<Session> {
    const control = controlOf(await this.config());
    return connect(control, { label: controlLabel, applicationName: 'tahr' });
  }

  /** A database of the installation; the caller closes the session. */
  connect({ name, parameters }: Pick<Database, 'name' | 'parameters'>): Promise<Session> {
    return connect(parameters, { label: `database ${name}`, applicationName: 'tahr' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const store = await this.#control?.catch(() => null);
    await store?.close();
  }

  async #openControl(): Promise<ControlStore> {
    const { schema } = await this.config();
    return openControlStore({ connect: () => this.connectControl(), schema });
  }
}
