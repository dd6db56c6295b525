import { z } from 'zod';

const positive = z.int().positive();

/** Where a service is. A key in it would end up in files, so it may not have one. */
export const urlOption = z
  .url({ protocol: /^https?$/, error: 'expected an http or https address' })
  .refine(
    (text) => {
      if (!URL.canParse(text)) return false;
      const { username, password, search, hash } = new URL(text);
      return username === '' && password === '' && search === '' && hash === '';
    },
    {
      error:
        'an address without user, password and query; a key is named by its environment variable in keyVariable',
      // What is refused may be a key: messages leave the value out.
      params: { secret: true },
    },
  )
  .describe('The address of the service. No other host is contacted.');

/** What every service takes: how it is called, and what that may cost. None of it reaches the tables. */
export const serviceOptions = {
  keyVariable: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
    .optional()
    .describe('The environment variable that holds the key. The key itself belongs in no file.'),
  timeoutSeconds: z.number().positive().max(290).default(120).describe('How long one request may take.'),
  retries: z
    .int()
    .min(0)
    .max(20)
    .default(4)
    .describe('How often a request is repeated that brought no answer, 429 or 5xx.'),
  maxWaitSeconds: z
    .number()
    .min(0)
    .max(86_400)
    .default(120)
    .describe('The longest wait that the service may ask for (Retry-After); a longer one stops the run.'),
  concurrency: positive.max(64).default(1).describe('Requests under way at a time.'),
  requestsPerMinute: z.number().positive().optional().describe('At most so many requests for pictures.'),
  pricePerPicture: z.number().positive().optional().describe('What one picture costs; moneyLimit needs it.'),
  moneyLimit: z
    .number()
    .nonnegative()
    .optional()
    .describe('The run stops before it has asked for pictures of a higher price, over all of its processes.'),
};

/** Which options decide no picture: a run goes on with others. */
export const freeServiceKeys: readonly string[] = ['url', 'hosts', ...Object.keys(serviceOptions)];

/** Width and height of the pictures, pixels. */
export const sizeOptions = {
  width: positive.max(8192).default(512).describe('Pixels. Pictures of another size are errors.'),
  height: positive.max(8192).default(512),
};

export type ServiceOptions = z.output<z.ZodObject<typeof serviceOptions>>;
