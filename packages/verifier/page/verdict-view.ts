/** The answer, large and plain, and what it rests on. */
import type { BundleReport } from '../src/bundle/report.ts'
import type { Signer } from '../src/bundle/trust.ts'
import type { Finding } from '../src/finding.ts'
import { element } from './elements.ts'
import { counted, time } from './words.ts'

type Tone = 'good' | 'fair' | 'bad'

export function verdict(
  tone: Tone,
  title: string,
  sentences: readonly (string | Node)[],
): HTMLElement {
  const heading = element('h2', {}, title)
  return element('section', { class: `verdict ${tone}` }, heading, ...sentences.map(paragraph))
}

export function bundleVerdict(report: BundleReport): HTMLElement {
  const { verified, trust, origin, findingsTotal, records } = report
  if (!verified)
    return verdict('bad', 'Not verified', [
      `${findingsTotal === 1 ? 'One thing is' : `${findingsTotal.toLocaleString('en')} things are`} wrong with this bundle, named below. Whatever else it shows, it is not what was signed, or not all of it.`,
    ])
  const complete = element(
    'p',
    { class: 'complete' },
    ...report.completeness.says.map((says) => `${says} `),
  )
  if (trust === 'given')
    return verdict('good', 'Verified', [
      `${counted(records, 'record')} of the log ${origin}, each exactly as it was signed. This holds as far as the key you gave is the key of that log.`,
      complete,
    ])
  return verdict('fair', 'It fits together. Whose is it?', [
    `${counted(records, 'record')} that say they are of the log ${origin}. All of it agrees with the key that came inside the bundle, and anyone can make a bundle with a key of their own. Get the key of the log from elsewhere, and paste it above. The bundle's own is:`,
    ...report.signers.map(({ vkey }) => element('p', { class: 'mono' }, vkey)),
    complete,
  ])
}

/** What was checked; of a bundle that did not verify, only what it is about. */
export function bundleFacts(report: BundleReport): HTMLElement {
  const { manifest, origin, size, root } = report
  const state = element('p', {}, `${counted(size, 'record')}, root `, element('code', {}, root))
  const facts: Fact[] = [
    ['Log', [origin]],
    ['Its state', [state]],
    ['Signed by', report.signers.map(signerText)],
    ['Witnessed by', witnessTexts(report)],
    ...(manifest === undefined ? [] : askedFacts(report, manifest)),
  ]
  return factList(report.verified ? [...facts, ...soundFacts(report)] : facts)
}

/** True only where nothing was found wrong. */
function soundFacts(report: BundleReport): Fact[] {
  const { grownFrom, addenda } = report
  const opened = `${addenda.opened.toLocaleString('en')} ${addenda.opened === 1 ? 'addendum' : 'addenda'} can be read`
  const sealed = addenda.sealed === 0 ? '' : `, ${addenda.sealed.toLocaleString('en')} are sealed`
  const grown: Fact[] =
    grownFrom === undefined
      ? []
      : [
          [
            'Grown from',
            [
              `an earlier checkpoint of ${counted(grownFrom, 'record')}: none of them was changed since`,
            ],
          ],
        ]
  return [
    ...grown,
    [
      'Times',
      [
        `${time(report.firstOccurred)} to ${time(report.lastOccurred)} (UTC, by the clock of the log)`,
      ],
    ],
    ['Sessions', sessionTexts(report)],
    ['Known gaps', gapTexts(report)],
    ['Erased', erasureTexts(report)],
    ...(report.retentionsTotal === 0 ? [] : [['Expired', retentionTexts(report)] as const]),
    ['Content', [`${opened}${sealed}; all others stayed closed`]],
    [
      'Files',
      [`${counted(report.files, 'file')}, ${counted(report.bytes, 'byte')}, each accounted for`],
    ],
  ]
}

/** A label and its lines. */
export type Fact = readonly [label: string, lines: readonly (string | Node)[]]

export function factList(facts: readonly Fact[]): HTMLElement {
  return element(
    'dl',
    { class: 'facts' },
    ...facts.map(([label, lines]) =>
      element(
        'div',
        {},
        element('dt', {}, label),
        element('dd', {}, ...(lines.length === 0 ? ['none'] : lines).map(paragraph)),
      ),
    ),
  )
}

export function findingsTable({
  findings,
  findingsTotal,
}: Pick<BundleReport, 'findings' | 'findingsTotal'>): HTMLElement {
  const head = ['File', 'Record', 'Byte', 'What is wrong'].map((name) =>
    element('th', { scope: 'col' }, name),
  )
  const rows = findings.map((finding) => element('tr', {}, ...findingCells(finding)))
  const more = findingsTotal - findings.length
  return element(
    'section',
    {},
    element('h2', {}, 'What is wrong'),
    element(
      'div',
      { class: 'scroll' },
      element(
        'table',
        {},
        element('thead', {}, element('tr', {}, ...head)),
        element('tbody', {}, ...rows),
      ),
    ),
    ...(more > 0 ? [element('p', { class: 'soft' }, `and ${more.toLocaleString('en')} more`)] : []),
  )
}

function findingCells({ path, entry, byte, message, code }: Finding): HTMLElement[] {
  return [
    element('td', { class: 'mono wrap' }, path),
    element('td', { class: 'number' }, entry === undefined ? '' : String(entry)),
    element('td', { class: 'number' }, byte === undefined ? '' : String(byte)),
    element('td', { class: 'wrap' }, message, ' ', element('span', { class: 'soft mono' }, code)),
  ]
}

function askedFacts(
  report: BundleReport,
  { asked, scope, records, carried }: NonNullable<BundleReport['manifest']>,
): Fact[] {
  const onRecord =
    report.recorded.length === 0
      ? 'The log has no record of this export: who asked and why is only said.'
      : `Record ${report.recorded.join(', ')} of the log says the same.`
  const subject = scope.subject === undefined ? '' : ` ${scope.subject}`
  const came =
    carried === 'receipts'
      ? 'each with its own proof'
      : `in whole bundles of the records ${carried.from} to ${carried.to}`
  const isNone = report.manifest?.claim === 'none'
  return [
    ['Asked by', [`${asked.by}, ${asked.at.replace('T', ' ').replace('Z', ' UTC')}`, onRecord]],
    ['Purpose', [asked.matter === undefined ? asked.purpose : `${asked.matter}: ${asked.purpose}`]],
    ['Scope', [`${scope.kind}${subject}${isNone ? '' : ', complete as said above'}`]],
    ['Records', [`${shortened(records)}, ${came}`]],
  ]
}

function shortened(list: string): string {
  return list.length <= 120 ? list : `${list.slice(0, 120)}…`
}

function signerText({ name, algorithm, given }: Signer): string {
  const whose = given ? 'the key you gave' : 'a key from the bundle'
  return `${name}, with ${whose} (${algorithm})`
}

function witnessTexts({ witnesses, quorum }: BundleReport): string[] {
  if (witnesses.length === 0) return ['nobody: the policy asks for no witness']
  const seconds = (signer: Signer): string =>
    time(`${signer.seconds ?? 0}000000000`).replace('.000', '')
  return [
    ...witnesses.map((signer) => `${signerText(signer)}, at ${seconds(signer)} UTC`),
    `The quorum '${quorum}' is met.`,
  ]
}

const SESSIONS_SHOWN_MAX = 5

function sessionTexts({ sessions, sessionsTotal, manifest }: BundleReport): string[] {
  if (manifest?.carried === 'receipts')
    return [`${counted(sessionsTotal, 'session')}; single records show no order`]
  const some = sessions.slice(0, SESSIONS_SHOWN_MAX).map(({ id, firstSeq, lastSeq, ended }) => {
    const begin = firstSeq === 0 ? 'from its beginning' : `from its record ${firstSeq}`
    return `${id}: ${begin} to ${ended ? 'its shutdown' : `its record ${lastSeq}`}, none left out`
  })
  const more = sessionsTotal - some.length
  return more > 0 ? [...some, `and ${more} more`] : some
}

function gapTexts({ gaps, gapsTotal, gapRecordsTotal }: BundleReport): string[] {
  if (gapsTotal === 0) return ['none on record']
  const total = `${counted(gapRecordsTotal, 'record')} could not be written, as ${counted(gapsTotal, 'record')} here confess:`
  return [
    total,
    ...gaps
      .slice(0, SESSIONS_SHOWN_MAX)
      .map(({ entry, count, why }) => `record ${entry}: ${count} lost, ${why}`),
  ]
}

function erasureTexts({ erasures, erasuresTotal }: BundleReport): string[] {
  if (erasuresTotal === 0) return ['nobody, as far as these records say']
  return erasures
    .slice(0, SESSIONS_SHOWN_MAX)
    .map(
      ({ entry, subject, by, basis, leaves }) =>
        `record ${entry}: the content of ${subject === '' ? 'a person' : subject} in ${shortened(leaves)}, lawfully, by ${by} (${basis})`,
    )
}

function retentionTexts({ retentions }: BundleReport): string[] {
  return retentions
    .slice(0, SESSIONS_SHOWN_MAX)
    .map(
      ({ entry, by, first, last, periods }) =>
        `record ${entry}: content that was kept up to ${periods === 1 ? first : `${periods} days from ${first} to ${last}`} is gone, by retention, says ${by}`,
    )
}

function paragraph(line: string | Node): Node {
  return typeof line === 'string' ? element('p', {}, line) : line
}
