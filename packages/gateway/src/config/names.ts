/** Names as the file writes them, wherever they stand. */
import { z } from 'zod'

/** What we name ourselves: services, roles, labels. */
export const name: z.ZodString = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,62}$/,
    'expected lower-case letters, digits, ".", "_" or "-", at most 63',
  )
/** What a role carries, or a route needs. */
export const permission: z.ZodString = z
  .string()
  .regex(
    /^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$/,
    "expected a permission such as 'orders.read' or 'orders.*'",
  )

/** To whom something is granted. */
export const grantee: z.ZodString = z
  .string()
  .regex(
    /^(user|group|service|agent):.+$|^(anyone|authenticated)$/,
    "expected 'user:NAME', 'group:NAME', 'service:NAME', 'agent:NAME', 'authenticated' or 'anyone'",
  )
