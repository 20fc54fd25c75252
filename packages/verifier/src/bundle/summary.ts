/** How the report on a bundle reads on a terminal. */
import type { Finding } from '../finding.ts'
import { printable } from '../summary.ts'
import type { Manifest } from './manifest.ts'
import type { BundleReport } from './report.ts'
import type { Signer } from './trust.ts'

const LISTED_MAX = 5

/** One line that is the answer, then what it rests on, or everything that is wrong. */
export function bundleSummary(report: BundleReport): string {
  const lines = report.verified ? good(report) : bad(report)
  return `${lines.map(printable).join('\n')}\n`
}

function good(report: BundleReport): string[] {
  const { origin, records, trust, manifest } = report
  const answer =
    trust === 'given'
      ? `bundle verified: ${counted(records, 'record')} of ${origin}, each as it was signed`
      : `bundle verified against the keys in it only, NOT against a key of yours: ${counted(records, 'record')} of ${origin}`
  return [
    answer,
    ...report.completeness.says.map((sentence) => `  ${sentence}`),
    ...(manifest === undefined ? [] : askedLines(manifest, report.recorded)),
    `  log         ${counted(report.size, 'record')}, root ${report.root}`,
    ...report.signers.map((signer) => `  signed by   ${nameOf(signer)}`),
    ...witnessLines(report),
    ...(report.grownFrom === undefined
      ? []
      : [`  grown from  the earlier checkpoint of ${counted(report.grownFrom, 'record')}`]),
    `  sessions    ${report.sessionsTotal}`,
    ...(report.gapsTotal === 0
      ? []
      : [
          `  gaps        ${counted(report.gapsTotal, 'record')} of a gap: ${counted(report.gapRecordsTotal, 'record')} that could not be written`,
        ]),
    ...report.erasures
      .slice(0, LISTED_MAX)
      .map(
        ({ entry, subject, leaves }) =>
          `  erased      ${subject}, lawfully, by record ${entry}: ${leaves}`,
      ),
    ...report.retentions
      .slice(0, LISTED_MAX)
      .map(
        ({ entry, first, last, periods }) =>
          `  expired     what was kept up to ${periods === 1 ? first : `${periods} days from ${first} to ${last}`}, by retention, record ${entry}`,
      ),
    `  addenda     ${report.addenda.opened} can be read${report.addenda.sealed === 0 ? '' : `, ${report.addenda.sealed} are sealed`}`,
  ]
}

function askedLines({ asked, scope, records }: Manifest, recorded: readonly number[]): string[] {
  const about = scope.subject === undefined ? scope.kind : `${scope.kind} ${scope.subject}`
  const list = records.length > 60 ? `${records.slice(0, 60)}…` : records
  return [
    `  scope       ${about}: ${list}`,
    `  asked by    ${asked.by}, for ${asked.matter === undefined ? '' : `${asked.matter}: `}${asked.purpose}, ${asked.at}`,
    recorded.length === 0
      ? '  on record   no: the log has no record of this export, so who asked is only said'
      : `  on record   as record ${recorded.join(', ')} of the log, which says the same`,
  ]
}

function witnessLines({ witnesses, quorum }: BundleReport): string[] {
  if (witnesses.length === 0) return ['  witnesses   none']
  return witnesses.map(
    (signer) =>
      `  witnessed   by ${nameOf(signer)} at ${timeOf(signer.seconds)} (quorum ${quorum})`,
  )
}

function nameOf({ name, algorithm, given }: Signer): string {
  return given ? `${name} (${algorithm})` : `${name} (${algorithm}, key from the bundle)`
}

/** POSIX seconds in words; beyond what a date can say, the number itself. */
export function timeOf(seconds: number | undefined): string {
  const date = new Date((seconds ?? 0) * 1000)
  return Number.isNaN(date.getTime()) ? `${seconds ?? 0} s` : date.toISOString().replace('.000', '')
}

function bad({ findings, findingsTotal }: BundleReport): string[] {
  const more = findingsTotal - findings.length
  return [
    `bundle NOT verified: ${counted(findingsTotal, 'finding')}`,
    ...findings.map(line),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ]
}

function line({ code, path, message, entry, byte }: Finding): string {
  const where = [
    path,
    ...(entry === undefined ? [] : [`record ${entry}`]),
    ...(byte === undefined ? [] : [`byte ${byte}`]),
  ].join(', ')
  return `  ${code}  ${where}: ${message}`
}

function counted(n: number, noun: string): string {
  return `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`
}
