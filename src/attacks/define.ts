import type { z } from 'zod';
import { parseOptions } from './options.ts';
import { scoreAll } from './score.ts';
import type { Access, Attack, AttackCost, Outputs } from './types.ts';

export interface AttackDefinition<S extends z.ZodObject> {
  readonly name: string;
  readonly access: Access;
  readonly describe: string;
  /** A strict object in which every option has a default. */
  readonly options: S;
  cost(options: z.output<S>): AttackCost;
  measure(outputs: Outputs, options: z.output<S>): Promise<readonly number[]>;
}

/** Makes an attack of its definition: adds the checking of options and the run on its own. */
export function defineAttack<S extends z.ZodObject>(definition: AttackDefinition<S>): Attack {
  const { name, access, describe } = definition;
  const attack: Attack = {
    name,
    access,
    higher: 'more memorized',
    describe,
    optionsSchema: definition.options,
    prepare(given) {
      const options = parseOptions(name, definition.options, given);
      return {
        name,
        access,
        options,
        cost: definition.cost(options),
        measure: (outputs) => definition.measure(outputs, options),
      };
    },
    async score(subject, captions, options) {
      const { scores } = await scoreAll(subject, captions, [attack.prepare(options)]);
      return scores[0]!;
    },
  };
  return attack;
}
