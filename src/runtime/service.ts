/** Something that runs in the background of a process. Whoever makes it starts it and stops it. */
export interface Service {
  /** Returns when the service works; what it does from then on, it does by itself. */
  start(): Promise<void>;
  /** Returns when nothing of the service runs any more. May be called twice, and without `start`. */
  stop(): Promise<void>;
}
