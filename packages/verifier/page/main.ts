/** The page: what is dropped on it is checked, at once and again when the keys change. */
import { TlogError } from '@countersign/tlog/errors'
import { parseVkey } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'

import { checkBundle } from '../src/bundle/check.ts'
import type { CheckedBundle } from '../src/bundle/check.ts'
import { browserCrypto } from './browser-crypto.ts'
import { sortDropped } from './dropped.ts'
import type { Dropped } from './dropped.ts'
import { byId, element } from './elements.ts'
import { proofResult } from './proof-view.ts'
import { recordsTable } from './records-view.ts'
import { bundleFacts, bundleVerdict, findingsTable, verdict } from './verdict-view.ts'

const filesInput = byId('files', HTMLInputElement)
const vkeysInput = byId('vkeys', HTMLTextAreaElement)
const keyProblem = byId('key-problem', HTMLElement)
const fileName = byId('file-name', HTMLElement)
const progress = byId('progress', HTMLElement)
const bar = byId('bar', HTMLProgressElement)
const progressText = byId('progress-text', HTMLElement)
const result = byId('result', HTMLElement)

/** How long the check may work before the page is drawn again. */
const TURN_MS = 40
const VKEY_FILE_BYTES_MAX = 64 * 1024

let dropped: Dropped | undefined
/** The check under way: when another begins, the one before gives up. */
let turn = 0
/** The keys of the last check: the same again change nothing. */
let checkedKeys = ''

class Superseded extends Error {}

async function take(files: readonly File[]): Promise<void> {
  const keyFiles = files.filter(({ name }) => name.endsWith('.vkey'))
  for (const file of keyFiles)
    if (file.size <= VKEY_FILE_BYTES_MAX) vkeysInput.value = (await file.text()).trim()
  const rest = files.filter((file) => !keyFiles.includes(file))
  if (rest.length > 0) {
    const sorted = await sortDropped(rest)
    dropped = typeof sorted === 'string' ? undefined : sorted
    fileName.textContent = rest.map(({ name }) => name).join(', ')
    if (typeof sorted === 'string') show(verdict('bad', 'Nothing to check', [sorted]))
  }
  await checkAgain()
}

async function checkWithNewKeys(): Promise<void> {
  if (vkeysInput.value.trim() !== checkedKeys) await checkAgain()
}

async function checkAgain(): Promise<void> {
  const keys = readKeys()
  checkedKeys = vkeysInput.value.trim()
  turn += 1
  if (dropped === undefined || keys === undefined) return
  const mine = turn
  try {
    show()
    const nodes =
      dropped.kind === 'proof'
        ? await proofResult(dropped.proof, dropped.entry, keys)
        : bundleResult(await check(dropped, keys, mine))
    if (mine === turn) show(...nodes)
  } catch (error) {
    if (error instanceof Superseded) return
    const why = error instanceof Error ? error.message : String(error)
    show(verdict('bad', 'It could not be checked', [`That is no judgement about it: ${why}`]))
  } finally {
    if (mine === turn) progress.hidden = true
  }
}

async function check(
  bundle: Extract<Dropped, { kind: 'bundle' }>,
  keys: readonly VerifierKey[],
  mine: number,
): Promise<CheckedBundle> {
  let drawnMs = performance.now()
  bar.removeAttribute('value')
  progressText.textContent = 'reading'
  progress.hidden = false
  return checkBundle({
    access: bundle.access,
    crypto: browserCrypto,
    keys,
    onProgress: async (done, total) => {
      if (performance.now() - drawnMs < TURN_MS) return
      bar.value = done / total
      progressText.textContent = `${done.toLocaleString('en')} of ${total.toLocaleString('en')} records`
      await new Promise((resolve) => setTimeout(resolve))
      if (mine !== turn) throw new Superseded()
      drawnMs = performance.now()
    },
  })
}

function bundleResult({ report, rows }: CheckedBundle): Node[] {
  return [
    bundleVerdict(report),
    ...(report.verified ? [] : [findingsTable(report)]),
    ...(report.origin === ''
      ? []
      : [
          element('h2', {}, report.verified ? 'What was checked' : 'What it says of itself'),
          bundleFacts(report),
        ]),
    ...(rows === undefined || rows.count === 0 ? [] : [recordsTable(rows)]),
  ]
}

/** The keys in the box; nothing when one of its lines is none, and then that is said. */
function readKeys(): VerifierKey[] | undefined {
  keyProblem.textContent = ''
  const lines = vkeysInput.value.split('\n').map((line) => line.trim())
  try {
    return lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => parseVkey(line, browserCrypto.sha256))
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    keyProblem.textContent = `This is no key: ${error.message}.`
    return undefined
  }
}

function show(...nodes: readonly Node[]): void {
  result.replaceChildren(...nodes)
}

filesInput.addEventListener('change', () => {
  const files = [...(filesInput.files ?? [])]
  // Without this, choosing the same file again, mended meanwhile, would be no change.
  filesInput.value = ''
  void take(files)
})
vkeysInput.addEventListener('input', () => void checkWithNewKeys())
document.addEventListener('dragover', (event) => {
  event.preventDefault()
  document.body.classList.add('over-page')
})
document.addEventListener('dragleave', () => document.body.classList.remove('over-page'))
document.addEventListener('drop', (event) => {
  event.preventDefault()
  document.body.classList.remove('over-page')
  void take([...(event.dataTransfer?.files ?? [])])
})
