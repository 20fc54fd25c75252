/** The door of `report`: answers -> the HTTP API and what leaves by it, masked for whoever asks. It grants nothing. */
export { createApi } from './report/api.ts'
export type { Api } from './report/api.ts'
export { csvLine } from './report/csv.ts'
export { apiRoutes } from './report/operations.ts'
export type { ApiRoute } from './report/operations.ts'
export { UNMASK_APPROVE, UNMASK_REQUEST } from './report/unmasking.ts'
export type {
  Delivery,
  Language,
  Logs,
  LogStatus,
  ProvenRecord,
  ReadContext,
  ReadIndex,
  ReportPorts,
  SavedQuestion,
  SavedQuestions,
  TrailShape,
  WhoRead,
} from './report/ports.ts'
