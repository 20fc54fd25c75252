/** How a report reads, and how progress looks. */
import type { AddendaReport } from './addenda.ts'
import type { CommandIo } from './command.ts'
import type { Finding } from './finding.ts'
import type { Continued } from './rotation.ts'
import type { Report } from './verify.ts'

const PROGRESS_EVERY_MS = 100
const BAR_CELLS = 30
/** Records of erasure or retention that the summary names; `--json` has them all. */
const RECORDS_NAMED_MAX = 5

/** The report for people: one line that is the answer, then what it rests on, or everything that is wrong. */
export function summary(report: Report, elapsedMs: number): string {
  const lines = report.verified ? good(report, elapsedMs) : bad(report)
  return `${lines.join('\n')}\n`
}

function good(report: Report, elapsedMs: number): string[] {
  const { size, origin, signedBy } = report
  const answer = report.signatureChecked
    ? `log verified: ${count(size, 'entry', 'entries')} of ${origin}, each as it was signed`
    : `log verified against itself only, its signature was NOT checked: ${count(size, 'entry', 'entries')} of ${origin}`
  return [
    answer,
    `  root        ${report.root}`,
    ...(signedBy.length === 0 ? [] : [`  signed by   ${signedBy.join(', ')}`]),
    ...report.witnessedBy.map(({ name, time }) => `  cosigned    by ${printable(name)} at ${time}`),
    ...(report.quorum === undefined
      ? []
      : [`  quorum      ${printable(report.quorum.asked)}: it holds`]),
    ...(report.grownFrom === undefined
      ? []
      : [`  grown from  the earlier checkpoint of ${count(report.grownFrom, 'entry', 'entries')}`]),
    ...(report.continues === undefined ? [] : continuesLines(report.continues)),
    `  sessions    ${report.sessions}, none with a record left out`,
    `  open        ${count(report.openIntents, 'intent', 'intents')} without an outcome`,
    ...(report.addenda === undefined ? [] : addendaLines(report.addenda)),
    ...(report.ahead === 0
      ? []
      : [
          `  ahead       ${count(report.ahead, 'file is', 'files are')} newer than the checkpoint: no signature covers them yet`,
        ]),
    `  read        ${count(report.entryBytes, 'byte', 'bytes')} of entries in ${(elapsedMs / 1000).toFixed(1)} s`,
  ]
}

function continuesLines({ origin, size, signedBy, now }: Continued): string[] {
  const signed =
    signedBy.length === 0 ? 'its signature was NOT checked' : `signed by ${signedBy.join(', ')}`
  const grown =
    now === undefined || now === size
      ? ''
      : `; it has grown by ${now - size} since, outside of this log`
  return [
    `  continues   ${printable(origin)} at ${count(size, 'entry', 'entries')}, ${printable(signed)}`,
    ...(now === undefined ? [] : [`  old log     still begins with those entries${grown}`]),
  ]
}

function addendaLines({ named, present, sealed, left, erased, expired }: AddendaReport): string[] {
  const gone = total(erased)
  const over = total(expired)
  return [
    `  addenda     ${count(present, 'is', 'are')} there and as named, of ${named.toLocaleString('en')}${sealed === 0 ? '' : `; ${sealed.toLocaleString('en')} of them sealed, their keys not at hand`}`,
    ...(gone === 0 ? [] : [`  erased      ${byRecords(gone, 'lawfully', erased)}`]),
    ...(over === 0 ? [] : [`  expired     ${byRecords(over, 'by retention', expired)}`]),
    ...(left === 0
      ? []
      : [
          `  not gone    ${count(left, 'addendum', 'addenda')} of an erased person: run the erasure again`,
        ]),
  ]
}

function total(gone: AddendaReport['erased']): number {
  return gone.reduce((sum, { addenda }) => sum + addenda, 0)
}

function byRecords(addenda: number, why: string, gone: AddendaReport['erased']): string {
  const some = gone.slice(0, RECORDS_NAMED_MAX).map(({ record }) => record)
  const more = gone.length - some.length
  const records = `${gone.length === 1 ? 'record' : 'records'} ${some.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return `${count(addenda, 'addendum', 'addenda')} ${why} (${records})`
}

function bad(report: Report): string[] {
  const { findings, findingsTotal } = report
  const more = findingsTotal - findings.length
  return [
    `log NOT verified: ${count(findingsTotal, 'finding', 'findings')}`,
    ...findings.map(line),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(report.addenda === undefined ? [] : addendaLines(report.addenda)),
  ]
}

function line({ code, path, message, entry, byte }: Finding): string {
  const where = [
    path,
    ...(entry === undefined ? [] : [`entry ${entry}`]),
    ...(byte === undefined ? [] : [`byte ${byte}`]),
  ].join(', ')
  return `  ${code}  ${printable(where)}: ${printable(message)}`
}

// Attacker-controlled: names in a log must not move the cursor or repaint the terminal of who checks it.
export function printable(text: string): string {
  return text.replaceAll(
    /\p{C}/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`,
  )
}

/** A bar on a terminal; nothing in a pipe. */
export function openProgress({ isTerminal, stderr }: CommandIo): {
  show: (done: number, size: number) => void
  end: () => void
} {
  let shownMs = 0
  const show = (done: number, size: number): void => {
    const nowMs = performance.now()
    if (!isTerminal || nowMs - shownMs < PROGRESS_EVERY_MS) return
    shownMs = nowMs
    const cells = Math.floor((BAR_CELLS * done) / Math.max(1, size))
    stderr(
      `\r[${'#'.repeat(cells)}${'.'.repeat(BAR_CELLS - cells)}] ${done.toLocaleString('en')} of ${size.toLocaleString('en')} entries`,
    )
  }
  // Clears the line, so that the answer stands alone.
  const end = (): void => (shownMs > 0 ? stderr('\r\u001b[K') : undefined)
  return { show, end }
}

export function count(n: number, one: string, many: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`
}
