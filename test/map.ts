/**
 * The map: which rooms and packages exist and what each may name. `tidy.test.ts` holds the tree to it. A new room, a new
 * dependency or a new process starts as a row here and in ARCHITECTURE.md.
 */

/** The rooms that a request walks through. The read side never stands in its way. */
const writeSide = ['capture', 'identity', 'policy', 'seal', 'ledger'] as const

/** The rooms of the gateway that exist today: `src/<room>.ts` is the door, `src/<room>/` is private. */
export const rooms = [
  ...writeSide,
  'witness',
  'follow',
  'reconcile',
  'evidence',
  'search',
  'trace',
  'report',
] as const

/** What is no room and stands beside them in `packages/gateway/src`. */
export const besides = [
  'platform',
  'cryptography',
  'config',
  'contents',
  'journey',
  'gateway',
  'reader',
  'cli',
  'demo',
] as const

type Place = (typeof rooms)[number] | (typeof besides)[number]

/** Which other places' doors a place may import. Rooms never import each other; nobody imports `cli`. */
export const mayImport: Readonly<Record<Place, readonly Place[]>> = {
  platform: [],
  cryptography: [],
  config: ['platform', 'cryptography'],
  capture: ['platform', 'cryptography'],
  identity: ['platform', 'cryptography', 'config'],
  policy: ['platform', 'cryptography', 'config'],
  seal: ['platform', 'cryptography'],
  ledger: ['platform', 'cryptography'],
  witness: ['platform', 'cryptography'],
  follow: ['platform', 'cryptography'],
  evidence: ['platform', 'cryptography'],
  reconcile: ['platform', 'cryptography'],
  search: ['platform', 'cryptography'],
  trace: ['platform'],
  report: ['platform', 'cryptography'],
  contents: ['platform', 'cryptography', 'config', 'seal', 'ledger', 'follow'],
  journey: ['platform', 'cryptography', 'config', ...writeSide],
  gateway: ['platform', 'cryptography', 'config', 'journey', ...rooms],
  reader: ['platform', 'cryptography', 'config', 'contents', 'journey', 'gateway', ...rooms],
  demo: ['platform', 'cryptography', 'config', 'gateway', ...rooms],
  cli: ['platform', 'cryptography', 'config', 'contents', 'gateway', 'reader', 'demo', ...rooms],
}

/**
 * Files inside a folder that others may import for their *types* only: the shape of the configuration, and what capture
 * and the journey say to each other.
 */
export const sharedTypes: readonly string[] = ['config/schema.ts', 'capture/exchange.ts']

/** Packages from the registry, and the places of the gateway that may name them. */
export const dependencyPlaces: Readonly<Record<string, readonly Place[]>> = {
  '@clickhouse/client': ['search'],
  '@hono/node-server': ['reader'],
  '@node-rs/crc32': ['ledger', 'witness'],
  chdb: ['search'],
  hono: ['report', 'reader'],
  'ipaddr.js': ['policy', 'capture', 'identity', 'config', 'gateway'],
  jose: ['identity', 'demo'],
  pino: ['gateway'],
  'prom-client': ['gateway'],
  undici: ['capture', 'identity', 'ledger'],
  yaml: ['config', 'identity', 'cli', 'demo'],
  zod: ['config', 'identity', 'ledger', 'report'],
}

/** What each package may import besides its own files. `node` lists the files that may name `node:` modules. */
export const packages: Readonly<
  Record<string, { readonly uses: readonly string[]; readonly node: readonly RegExp[] }>
> = {
  tlog: { uses: [], node: [] },
  record: { uses: ['@countersign/tlog'], node: [] },
  // The pure part of the verifier also runs in a browser: only what touches disk, network, threads or a terminal may not.
  verifier: {
    uses: ['@countersign/tlog', '@countersign/record'],
    node: [/^(bundle-file|bundle-command|command|main|node-io|pool|worker)\.ts$/],
  },
  gateway: {
    uses: [
      '@countersign/tlog',
      '@countersign/record',
      '@countersign/verifier',
      ...Object.keys(dependencyPlaces),
    ],
    node: [/./],
  },
}

/** Words that belong to few files: the pattern, where it may stand, and why. */
export const words: readonly {
  readonly word: RegExp
  readonly only: RegExp
  readonly why: string
}[] = [
  {
    word: /\bprocess\.env\b/,
    only: /^packages\/gateway\/src\/config(\.ts|\/)|^packages\/[^/]+\/bin\/|^test\/|\.test(ing)?\.ts$|\/bench\/|^bench\/|^packages\/gateway\/src\/cli\/commands\/up\.ts$|\/testing\//,
    why: 'only the configuration reads the environment; `up` hands it on to the processes it starts',
  },
  {
    word: /\bprocess\.exit\(/,
    only: /^packages\/gateway\/src\/(cli(\.ts|\/)|(ledger\/process|witness\/fatal)\.ts$)|^packages\/[^/]+\/bin\//,
    why: 'only a command ends its process, and a ledger, signer or witness that may no longer trust itself',
  },
  {
    word: /\bconsole\./,
    only: /^packages\/gateway\/src\/cli(\.ts|\/)|^packages\/[^/]+\/bin\//,
    why: 'stdout is data: only the command line prints',
  },
  {
    word: /\bDate\.now\(|\bnew Date\(\)(?!\.toUTCString)/,
    only: /^packages\/gateway\/src\/(platform|cli|demo)(\.ts|\/)|^test\/|\/bench\/|^bench\/|\.test\.ts$|\/testing\//,
    why: 'the clock is passed in; only the Date header of an answer is nobody’s record',
  },
  { word: /\bMath\.random\(/, only: /^$/, why: 'randomness is passed in' },
  {
    word: /@ts-(ignore|expect-error|nocheck)|(oxlint|eslint)-disable|oxfmt-ignore|prettier-ignore/,
    only: /^$/,
    why: 'a rule is changed for all or kept by all',
  },
  { word: /\bTODO\b|\bFIXME\b|\bXXX\b/, only: /^$/, why: 'what is not done is not there' },
  {
    word: /\b(test|it|describe|suite)\.only\(|\bonly: true\b/,
    only: /^$/,
    why: 'a test that hides the others',
  },
]
