/** Writes docs/spec/configuration.md from the schema: `node -C @countersign/source packages/gateway/src/config/write-reference.ts`. */
import { writeDurably } from '../platform.ts'
import { renderReference } from './reference.ts'
import { fileURLToPath } from 'node:url'

const page = new URL('../../../../docs/spec/configuration.md', import.meta.url)
await writeDurably(fileURLToPath(page), renderReference())
