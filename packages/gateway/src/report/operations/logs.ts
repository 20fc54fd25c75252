/** `/v1/logs`, their checkpoints and tiles, and `/v1/status`. */
import { parseTilePath } from '@countersign/tlog/tile'
import { content, json, JSON_TYPE, negotiate } from '../answers.ts'
import { ReportError } from '../errors.ts'
import { noBody, operation } from '../operation.ts'
import type { Operation } from '../operation.ts'
import type { LogStatus, ReportPorts } from '../ports.ts'
import { byLog, byTile, none } from '../schemas.ts'

const TEXT_TYPE = 'text/plain'
const BYTES_TYPE = 'application/octet-stream'

const logs: Operation = operation(
  {
    method: 'GET',
    template: '/v1/logs',
    action: 'log.logs',
    crud: 'read',
    summary: 'The logs that are read',
    about: 'In the order of the configuration: `n` is their place.',
    path: none,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The logs.', content: { [JSON_TYPE]: 'Logs' } }],
    example: '$API/v1/logs',
  },
  async ({ ports, session, request }) => {
    negotiate(request, [JSON_TYPE])
    const list = numbered(await ports.logs.status())
    session.say({ rows: 0 })
    return json({ logs: list })
  },
)

const status: Operation = operation(
  {
    method: 'GET',
    template: '/v1/status',
    action: 'log.status',
    crud: 'read',
    summary: 'How far the index is',
    about:
      'Per log: the next entry to read, the size of its last checkpoint, how far the index is behind, and why reading stopped.',
    path: none,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The state.', content: { [JSON_TYPE]: 'Status' } }],
    example: '$API/v1/status',
  },
  async ({ ports, session, request }) => {
    negotiate(request, [JSON_TYPE])
    const list = numbered(await ports.logs.status())
    session.say({ rows: 0 })
    const lagMs = Math.max(0, ...list.map((log) => log.lagMs))
    return json({ logs: list, lagMs, ok: list.every(({ problem }) => problem === undefined) })
  },
)

const checkpoint: Operation = operation(
  {
    method: 'GET',
    template: '/v1/logs/{n}/checkpoint',
    action: 'log.checkpoint',
    crud: 'read',
    summary: 'The checkpoint of a log',
    about: 'The signed note, as C2SP tlog-tiles serves it.',
    path: byLog,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The note.', content: { [TEXT_TYPE]: undefined } }],
    example: '$API/v1/logs/0/checkpoint',
  },
  async ({ ports, session, request, path: { n } }) => {
    negotiate(request, [TEXT_TYPE])
    const bytes = await fileOf(ports, n, 'checkpoint')
    session.say({ rows: 0 })
    return content(bytes, `${TEXT_TYPE}; charset=utf-8`)
  },
)

const tile: Operation = operation(
  {
    method: 'GET',
    template: '/v1/logs/{n}/tile/{path...}',
    action: 'log.tile',
    crud: 'read',
    summary: 'A tile of a log',
    about:
      'Hashes, and below `entries/` the leaves themselves, as C2SP tlog-tiles serves them. Leaves only for roles that see all of the log.',
    path: byTile,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The tile.', content: { [BYTES_TYPE]: undefined } }],
    example: '$API/v1/logs/0/tile/0/000 -o tile',
  },
  async ({ ports, session, request, path: { n, path } }) => {
    negotiate(request, [BYTES_TYPE])
    const file = tileFile(path)
    const isLeaves = path.startsWith('entries/')
    if (isLeaves && session.access.scope.kind !== 'all')
      throw new ReportError(
        'REPORT_SCOPE',
        'could not show leaves: they are of all services, and your scope is not',
        {
          hint: 'the proofs of /v1/records/{id}/proof hold those that you may see',
        },
      )
    const bytes = await fileOf(ports, n, file)
    session.say({ rows: 0 })
    return content(bytes, BYTES_TYPE)
  },
)

export const logOperations: readonly Operation[] = [logs, checkpoint, tile, status]

function numbered(
  logStates: readonly LogStatus[],
): readonly (LogStatus & { readonly n: number })[] {
  // Member by member: what else the reader knows of a log stays inside.
  return logStates.map(({ origin, vkey, next, size, lagMs, problem }, n) => ({
    n,
    origin,
    vkey,
    next,
    lagMs,
    ...(size === undefined ? {} : { size }),
    ...(problem === undefined ? {} : { problem }),
  }))
}

async function fileOf(
  ports: ReportPorts,
  n: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const log = (await ports.logs.status())[n]
  if (log === undefined)
    throw new ReportError('REPORT_NOT_FOUND', `could not find log ${n}: there is none`, {
      hint: 'GET /v1/logs lists them',
    })
  const bytes = await ports.logs.file(log.origin, path)
  if (bytes === undefined)
    throw new ReportError('REPORT_NOT_FOUND', 'could not find that file of the log', {
      hint: 'a partial tile is there only while it is the last one',
    })
  return Uint8Array.from(bytes)
}

/** Attacker-controlled: only what is spelt as a tile's path is asked for. */
function tileFile(path: string): string {
  const file = `tile/${path}`
  try {
    parseTilePath(file)
    return file
  } catch {
    throw new ReportError('REPORT_NOT_FOUND', 'could not find that tile: it is no path of one', {
      hint: 'C2SP tlog-tiles says how they are spelt: 0/000, 0/x001/067, entries/000.p/12',
    })
  }
}
