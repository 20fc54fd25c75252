import assert from 'node:assert/strict'
import { test } from 'node:test'
import { main } from '../../cli.ts'
import { captureIo } from '../testing/captured-io.ts'
import { openSmallApi } from '../testing/small-api.ts'
import type { Answered, SmallApi } from '../testing/small-api.ts'

interface Insert {
  readonly insert: string
  readonly from: number
  readonly about?: string
}

/** Completions by the text that they complete. */
const KNOWN: Readonly<Record<string, readonly Insert[]>> = {
  'outcome:den': [{ insert: 'denied', from: 8 }],
  serv: [{ insert: 'service:', from: 0, about: 'The service.' }],
  'service:': [
    { insert: 'billing', from: 8 },
    { insert: 'orders', from: 8 },
  ],
  'actor:': [
    { insert: '$(touch pwned)', from: 6 },
    { insert: '\u001B[2J', from: 6 },
  ],
}

function apiThatCompletes(): Promise<SmallApi> {
  return openSmallApi(({ path, query }): Answered | undefined => {
    if (path === '/v1/questions')
      return { body: { questions: [{ name: 'refused', text: 'outcome:denied', time: '0' }] } }
    if (path !== '/v1/complete') return undefined
    const text = query.get('q') ?? ''
    assert.equal(query.get('at'), String(text.length))
    return { body: { completions: Object.hasOwn(KNOWN, text) ? KNOWN[text] : [] } }
  })
}

async function wordsFor(shell: string, line: string): Promise<string[]> {
  const io = captureIo()
  assert.equal(await main(['completion', 'words', shell, line], io), 0)
  assert.equal(io.err(), '')
  return io.out().split('\n').slice(0, -1)
}

test('commands, their options and the values of these are completed', async () => {
  const lines: readonly (readonly [string, readonly string[]])[] = [
    ['countersign se', ['search']],
    ['countersign --v', ['--version']],
    ['countersign keys c', ['create']],
    ['countersign search --sa', ['--save', '--saved']],
    ['countersign search --role au', ['auditor']],
    ['countersign search -n 5 --role=au', ['--role=auditor']],
    ['countersign keys create --type ', ['user', 'service']],
    ['countersign search --fields time,serv', ['time,service']],
    ['countersign top outc', ['outcome']],
    ['countersign nothing ', []],
    ['countersign show ', []],
    ['countersign completion ', ['bash', 'zsh', 'fish']],
  ]
  for (const [line, words] of lines) assert.deepEqual(await wordsFor('zsh', line), words, line)
})

test('questions are completed by the reader, and a field alone goes on to its values', async () => {
  await using api = await apiThatCompletes()
  const at = `--config ${api.config}`
  const lines: readonly (readonly [string, readonly string[]])[] = [
    [`countersign search ${at} 'outcome:den`, ['outcome:denied']],
    [`countersign search ${at} serv`, ['service:billing', 'service:orders']],
    [`countersign top ${at} service 'outcome:den`, ['outcome:denied']],
    [`countersign top ${at} --every 1h 'outcome:den`, ['outcome:denied']],
    [`countersign tail ${at} -q 'outcome:den`, ['outcome:denied']],
    [`countersign questions save ${at} name 'outcome:den`, ['outcome:denied']],
    [`countersign search ${at} --saved r`, ['refused']],
    [`countersign search ${at} 'outcome:denied' `, []],
  ]
  for (const [line, words] of lines) assert.deepEqual(await wordsFor('zsh', line), words, line)
})

test('what a value of the log could do to a shell or a terminal it does not do', async () => {
  await using api = await apiThatCompletes()
  const line = (word: string): string => `countersign search --config ${api.config} ${word}`
  assert.deepEqual(await wordsFor('zsh', line('actor:')), ['actor:$(touch pwned)'])
  assert.deepEqual(await wordsFor('bash', line('actor:')), ['\\$\\(touch\\ pwned\\)'])
  assert.deepEqual(await wordsFor('bash', line("'actor:")), ['actor:$(touch pwned)'])
  assert.deepEqual(await wordsFor('bash', line('"actor:')), [])
})

test('as whom and why the command would ask is said', async () => {
  await using api = await apiThatCompletes()
  const why = '--role auditor --purpose "case 7" --ticket CASE-7'
  await wordsFor('bash', `countersign search ${why} --config ${api.config} 'outcome:den`)
  const [{ headers } = assert.fail('nothing was asked')] = api.asked
  assert.deepEqual(
    ['role', 'purpose', 'ticket'].map((name) => headers[`countersign-${name}`]),
    ['auditor', 'case 7', 'CASE-7'],
  )
})

test('fish is told what each is about', async () => {
  assert.deepEqual(await wordsFor('fish', 'countersign who'), [
    'who-read\twho looked at a record or a person; asks the log itself',
  ])
})

test('what others wrote about a saved question stays on its line', async () => {
  const about = 'mine\n--api\u001B[2J'
  await using api = await openSmallApi(() => ({
    body: { questions: [{ name: 'refused', text: 'outcome:denied', about, time: '0' }] },
  }))
  assert.deepEqual(await wordsFor('fish', `countersign search --config ${api.config} --saved r`), [
    'refused\tmine\\u{a}--api\\u{1b}[2J',
  ])
})

test('a reader that is not there completes nothing, and says nothing', async () => {
  assert.deepEqual(await wordsFor('bash', 'countersign search --api http://127.0.0.1:9 out'), [])
  assert.deepEqual(await wordsFor('bash', 'countersign search --config /nowhere out'), [])
})

test('another shell is refused, and the usual ones are named', async () => {
  const io = captureIo()
  assert.equal(await main(['completion', 'tcsh'], io), 2)
  assert.match(io.err(), /'tcsh' is not bash, zsh or fish/)
})
