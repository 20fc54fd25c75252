/** The door of `report`: answers -> the HTTP API and what leaves by it, masked for whoever asks. It grants nothing. */
export { csvLine } from './report/csv.ts'
