import { z } from 'zod';

/** The published JSON Schema of a config: what an editor needs to complete and check it. */
export function configJsonSchema(schema: z.ZodType, title: string): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return { $schema, title, ...rest };
}
