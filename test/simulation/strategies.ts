/** The strategies that the model check runs, by name. */
import type { DatabaseName } from '../../src/model/topology.ts';
import { parseStrategy, type Preference, preferenceOf } from '../../src/replication/plan/strategy.ts';
import { sourceNames } from './gang-state.ts';

type Choice = (random: () => number) => Preference;

/** An order of the databases that is another one in each round: what `latest_table` may amount to. */
const anyOrder =
  (sources: readonly DatabaseName[]): Choice =>
  (random) => {
    const order = sources.map((name) => ({ name, place: random() })).sort((a, b) => a.place - b.place);
    return preferenceFor(order.map(({ name }) => name).join(' '), sources);
  };

export const choicesFor = (sourceCount: number): ReadonlyMap<string, Choice> => {
  const sources = sourceNames.slice(0, sourceCount);
  const fixed = (text: string): [string, Choice] => {
    const preference = preferenceFor(text, sources);
    return [text, () => preference];
  };
  return new Map([
    fixed('bucardo_latest'),
    fixed('bucardo_source'),
    fixed('bucardo_target'),
    fixed('bucardo_random'),
    ['bucardo_latest_table', anyOrder(sources)],
  ]);
};

const preferenceFor = (text: string, sources: readonly DatabaseName[]): Preference =>
  preferenceOf(parseStrategy(text, sources), {
    sources,
    key: 'row',
    newestAt: { inTable: () => null, inSync: () => null },
  });
