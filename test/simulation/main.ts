/** The long model check: `npm run model [histories]`, for each number of sources and each strategy, half of them with a target; prints a table. */
import { simulate } from './gang-model.ts';
import { choicesFor } from './strategies.ts';

const historyCount = Number(process.argv[2] ?? 20_000);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

say('| Sources | Strategy | Histories | Diverged | Target diverged | Went back | Lost without a record |');
say('|---|---|---|---|---|---|---|');
let isSound = true;
for (const sourceCount of [2, 3, 4, 5])
  for (const [name, strategy] of choicesFor(sourceCount)) {
    const counts = { diverged: 0, targetDiverged: 0, wentBack: 0, lost: 0 };
    for (let history = 0; history < historyCount; history += 1) {
      const found = simulate({ seed: history >> 1, sourceCount, hasTarget: history % 2 === 0, strategy });
      counts.diverged += found.isEqual ? 0 : 1;
      counts.targetDiverged += found.isTargetEqual ? 0 : 1;
      counts.wentBack += found.wentBack ? 1 : 0;
      counts.lost += found.lostCount > 0 ? 1 : 0;
    }
    isSound &&= counts.diverged + counts.targetDiverged + counts.lost === 0;
    say(`| ${[sourceCount, name, historyCount, ...Object.values(counts)].join(' | ')} |`);
  }
process.exitCode = isSound ? 0 : 1;
