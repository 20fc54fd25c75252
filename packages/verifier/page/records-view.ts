/** The records as a table, a page at a time: however large a bundle, at most one page of it is in the document. */
import type { BundleRows, Row, RowAddendum } from '../src/bundle/rows.ts'
import { button, element } from './elements.ts'
import { became, counted, time, what, who } from './words.ts'

const PAGE_ROWS = 100
/** Bytes of one addendum that are shown; the rest is in the bundle. */
const SHOWN_BYTES_MAX = 64 * 1024
const COLUMNS = ['Record', 'Time (UTC)', 'Who', 'What', 'What became of it', 'Content'] as const

export function recordsTable(rows: BundleRows): HTMLElement {
  const body = element('tbody', {})
  const place = element('span', {})
  const last = Math.max(0, Math.ceil(rows.count / PAGE_ROWS) - 1)
  let page = 0
  const earlier = button('Earlier', () => void show(page - 1))
  const later = button('Later', () => void show(page + 1))
  const show = async (wanted: number): Promise<void> => {
    page = Math.min(last, Math.max(0, wanted))
    const found = await rows.read(page * PAGE_ROWS, PAGE_ROWS)
    body.replaceChildren(...found.map(recordRow))
    earlier.disabled = page === 0
    later.disabled = page === last
    const first = page * PAGE_ROWS
    place.textContent = `${(first + 1).toLocaleString('en')} to ${(first + found.length).toLocaleString('en')} of ${counted(rows.count, 'record')}`
  }
  void show(0)
  const head = COLUMNS.map((name) => element('th', { scope: 'col' }, name))
  return element(
    'section',
    {},
    element('h2', {}, 'The records'),
    element('div', { class: 'pager' }, earlier, later, place),
    element(
      'div',
      { class: 'scroll' },
      element('table', {}, element('thead', {}, element('tr', {}, ...head)), body),
    ),
  )
}

function recordRow(row: Row): HTMLElement {
  const { index, leaf, addenda } = row
  const number = element('td', { class: 'number' }, String(index))
  if (leaf === undefined)
    return element(
      'tr',
      {},
      number,
      element('td', { class: 'no', colSpan: COLUMNS.length - 1 }, 'is not shown to be in the log'),
    )
  const { text, tone } = became(leaf)
  const content = element('td', { class: 'nowrap' }, `${contentWord(addenda)} `)
  const made: HTMLElement = element(
    'tr',
    {},
    number,
    element('td', { class: 'nowrap' }, time(leaf.time.occurred)),
    element('td', { class: 'wrap' }, who(leaf)),
    element('td', { class: 'wrap' }, what(leaf)),
    element('td', { class: tone }, text),
    content,
  )
  content.append(moreButton(row, made))
  return made
}

function moreButton(row: Row, rowElement: HTMLElement): HTMLButtonElement {
  let detail: HTMLElement | undefined
  const made = button('Show', () => {
    if (detail === undefined) {
      detail = element(
        'tr',
        { class: 'detail' },
        element('td', { colSpan: COLUMNS.length }, ...details(row)),
      )
      rowElement.after(detail)
    } else {
      detail.remove()
      detail = undefined
    }
    made.textContent = detail === undefined ? 'Show' : 'Hide'
    made.setAttribute('aria-expanded', String(detail !== undefined))
  })
  made.setAttribute('aria-expanded', 'false')
  made.setAttribute('aria-label', `Show record ${row.index}`)
  return made
}

function details({ leaf, addenda }: Row): Node[] {
  return [
    element('h3', {}, 'The record, as it was signed'),
    element('pre', {}, JSON.stringify(leaf, null, 2)),
    ...addenda.flatMap(addendumDetails),
  ]
}

function addendumDetails(addendum: RowAddendum): Node[] {
  const { name, bytes, digest, state, content } = addendum
  const title = element('h3', {}, `Addendum '${name}': ${stateWords(addendum)}`)
  const about = element('p', { class: 'soft mono' }, `${counted(bytes, 'byte')}, sha256 ${digest}`)
  return state === 'opened' && content !== undefined
    ? [title, about, element('pre', {}, shown(content))]
    : [title, about]
}

function stateWords({ state, erasedBy }: RowAddendum): string {
  switch (state) {
    case 'opened':
      return 'as the record names it'
    case 'sealed':
      return 'here, and sealed: its key is not'
    case 'erased':
      return `lawfully erased, says record ${erasedBy ?? ''}`
    case 'absent':
      return 'did not come along'
    case 'altered':
      return 'NOT the one that the record names'
    default:
      return state satisfies never
  }
}

function contentWord(addenda: readonly RowAddendum[]): string {
  const count = (wanted: RowAddendum['state']): number =>
    addenda.filter(({ state }) => state === wanted).length
  const words = [
    [count('opened'), 'open'],
    [count('sealed'), 'sealed'],
    [count('erased'), 'erased'],
    [count('absent'), 'closed'],
    [count('altered'), 'ALTERED'],
  ] as const
  const said = words
    .filter(([n]) => n > 0)
    .map(([n, word]) => (addenda.length === 1 ? word : `${n} ${word}`))
  return said.length === 0 ? '–' : said.join(', ')
}

/** JSON without its salt, in lines; anything else as text, or as hexadecimal where it is none. */
function shown(content: Uint8Array): string {
  const cut = content.subarray(0, SHOWN_BYTES_MAX)
  const more =
    content.length > cut.length ? `\n… ${counted(content.length - cut.length, 'byte')} more` : ''
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content)
    const value: unknown = JSON.parse(text)
    return JSON.stringify(value, withoutSalt, 2)
  } catch {
    // Bodies may be anything: then what there is to see are its bytes.
    return `${bodyText(cut)}${more}`
  }
}

/** The salt keeps an erased addendum from being guessed; it says nothing to a reader. */
function withoutSalt(key: string, value: unknown): unknown {
  return key === 'salt' ? undefined : value
}

const SALT_BYTES = 16

function bodyText(content: Uint8Array): string {
  const body = content.subarray(SALT_BYTES)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return Array.from(body, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  }
}
