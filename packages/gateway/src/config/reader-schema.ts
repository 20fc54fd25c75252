/** The part of the schema that says how the log is read: where its index is, who may ask, and how long content is kept. */
import { READ_ROWS_MAX } from '@countersign/record/reading'
import { z } from 'zod'
import { name } from './names.ts'
import { bytes, duration } from './quantity.ts'
import { path } from './signer-schema.ts'

const DAY_MS = 86_400_000
/** Other logs that one reader follows beside its own. */
const LOGS_MAX = 63

const QUERY_MS_MIN = 100
const QUERY_BYTES_MIN = 16 * 1024 ** 2

const readGrantee = z
  .string()
  .regex(
    /^(user|group|service|agent):.+$|^authenticated$/,
    "expected 'user:NAME', 'group:NAME', 'service:NAME', 'agent:NAME' or 'authenticated': whoever reads has proved a name",
  )

const access = z.strictObject({
  role: z
    .enum(['viewer', 'owner', 'auditor', 'investigator', 'subject'])
    .describe(
      'viewer: the services named, sealed content masked; owner: the services of their teams; auditor: everything; investigator: everything, and sealed content when a second person approves; subject: what is recorded about oneself. Owners and auditors see sealed content when they state a purpose.',
    ),
  to: z
    .union([readGrantee, z.array(readGrantee).min(1)])
    .describe(
      'Who reads so: one grantee, or a list. `authenticated` is everybody who proved a name.',
    ),
  services: z
    .array(name)
    .min(1)
    .optional()
    .describe('The services that a viewer sees; for viewers only, who need it.'),
  until: z.iso.date().optional().describe('The last day (UTC) on which it holds.'),
})

const index = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .describe(
      'A ClickHouse server (26.2 or newer), or any of a cluster: http or https, with its port.',
    ),
  user: z.string().min(1).default('default').describe('The user who writes rows and asks.'),
  password: path.optional().describe('File that holds the password of the user, and nothing else.'),
  database: z
    .string()
    .regex(
      /^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
      'expected a letter or "_", then letters, digits or "_", at most 63',
    )
    .default('countersign')
    .describe('The database of the tables; made when it is not there.'),
  ca: path
    .optional()
    .describe(
      'PEM file of authorities for an https server; the public ones that Node.js knows by default.',
    ),
  cluster: z
    .string()
    .regex(
      /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/,
      'expected letters, digits, "_", "." or "-", at most 63',
    )
    .optional()
    .describe(
      'Name of the cluster as the servers know it: tables are then made ON CLUSTER, replicated, with distributed ones above them.',
    ),
})

const limits = z.strictObject({
  rowsMax: z
    .int()
    .positive()
    .max(READ_ROWS_MAX, `expected at most ${READ_ROWS_MAX}: one record lists them`)
    .default(READ_ROWS_MAX)
    .describe('Rows in one answer; whoever wants more asks for the next page.'),
  // To ClickHouse 0 is no limit.
  queryTimeout: duration('10 s')
    .default(10_000)
    .refine((ms) => ms >= QUERY_MS_MIN, 'expected 100 ms or more')
    .describe('How long one question may take.'),
  queryMemory: bytes('1 GiB')
    .default(1024 ** 3)
    .refine((size) => size >= QUERY_BYTES_MIN, 'expected 16 MiB or more')
    .describe('How much memory one question may take in ClickHouse.'),
})

/** The block `reader`. */
export const reader = z.strictObject({
  index: index
    .optional()
    .describe(
      'Where rows are kept. Absent: in the reader’s own process, in `index` of the data folder. One reader writes an index.',
    ),
  logs: z
    .array(
      z.strictObject({
        place: z.string().min(1).describe('URL or folder of a log, as `log` publishes it.'),
        vkey: path.describe('File of the verifier key of its origin.'),
      }),
    )
    .max(LOGS_MAX)
    .default([])
    .describe('Logs to follow beside our own.'),
  access: z
    .array(access)
    .default([])
    .describe('Who may read the log, and as what. Nobody else may, and each read is a record.'),
  operator: z
    .enum(['auditor', 'investigator', 'viewer', 'none'])
    .default('auditor')
    .describe(
      'As what reads whoever can read the data folder; a viewer of all services; `none`: not at all.',
    ),
  limits: limits.prefault({}).describe('What one question may take.'),
})

const keep = duration('90 days').refine(
  (ms) => ms >= DAY_MS && ms % DAY_MS === 0,
  "expected whole days, at least one, for example '90 days'",
)

/** The block `retention`. */
export const retention = z.strictObject({
  default: keep
    .optional()
    .describe(
      'How long content is kept where no label and no service says otherwise; absent: for ever.',
    ),
  labels: z
    .record(name, keep)
    .default({})
    .describe('How long content of requests with a label is kept; of several the shortest holds.'),
  services: z
    .record(name, keep)
    .default({})
    .describe('How long content of requests to a service is kept, or of its calls.'),
})
