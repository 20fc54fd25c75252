/** Configuration: `countersign.yaml` -> `LoadedConfig`. One file, one schema; nothing is read from the environment. */
export { describeConfig } from './config/describe.ts'
export { ConfigError } from './config/errors.ts'
export type { ConfigErrorCode, ConfigProblem } from './config/errors.ts'
export { jsonSchema } from './config/json-schema.ts'
export { loadConfig } from './config/load.ts'
export type { LoadedConfig } from './config/load.ts'
export type { Config, ListenerConfig } from './config/schema.ts'
export { retentionRules } from './config/retention.ts'
