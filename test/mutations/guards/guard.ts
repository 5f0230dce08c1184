/** A line on which an invariant rests, and the test that fails when it is gone. */
export interface Guard {
  /** Its number in docs/invariants.md. */
  readonly invariant: number;
  /** What is missing then. */
  readonly what: string;
  readonly file: string;
  /** Stands once in the file. */
  readonly from: string;
  readonly to: string;
  readonly test: string;
  readonly name: string;
}
