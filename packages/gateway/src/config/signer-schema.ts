/** The part of the schema that says where the signer is: on this host, or on another. */
import { z } from 'zod'

export const path: z.ZodString = z
  .string()
  .min(1)
  .describe('A path, relative to the folder of this file.')

export const signer = z
  .union([
    z.strictObject({
      key: path.describe('File of the signing keys, made by `countersign init`.'),
      state: path.describe('Folder in which the signer keeps what it last signed.'),
      socket: path.optional().describe('Where it listens; in `state` by default.'),
    }),
    z.strictObject({
      url: z
        .url()
        .describe(
          'Where `countersign signer --listen` runs on another host: https, or http on the loopback.',
        ),
      ca: path
        .optional()
        .describe(
          'PEM file of the authorities to believe at `url`; the platform’s own by default.',
        ),
    }),
  ])
  .describe(
    'The signing process: its keys (made by init) and state on this host, or its `url` on another.',
  )
