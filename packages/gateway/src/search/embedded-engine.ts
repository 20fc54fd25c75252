/** ClickHouse in this process (chdb): holds one data folder, which no other process may open meanwhile. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { createClient } from '@clickhouse/client'
import { createChdbConnection } from 'chdb/connection'
import { clientEngine } from './client-engine.ts'
import { embeddedConnections } from './embedded-connections.ts'
import type { Connection } from './embedded-connections.ts'
import type { Engine } from './engine.ts'

/** The client and chdb each declare this same interface, and the compiler takes them for two. */
function isConnection(value: unknown): value is Connection {
  return typeof value === 'object' && value !== null && 'query' in value && 'insert' in value
}

/** @param folder made when absent, for this user alone: what it holds is in clear. */
export async function openEmbeddedEngine(folder: string): Promise<Engine> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const open = (): Connection => {
    const connection: unknown = createChdbConnection({ path: folder })
    assert(isConnection(connection))
    return connection
  }
  return clientEngine(createClient({ connection: embeddedConnections(open) }), 'embedded')
}
