import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'

import { verifyCommand } from './command.ts'
import type { CommandHooks } from './command.ts'
import { logKey, SampleLog, testKey, toDirectory } from './sample-log.testing.ts'

let dataDir = ''
let logDir = ''
let earlier = ''

before(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'countersign-verify-'))
  logDir = join(dataDir, 'log')
  earlier = join(dataDir, 'earlier.checkpoint')
  const log = new SampleLog(toDirectory(logDir))
  log.append(300)
  writeFileSync(earlier, await log.publish())
  // Enough for the threads to be used.
  log.append(33_300)
  await log.publish()
})

after(() => rmSync(dataDir, { recursive: true }))

async function run(
  args: readonly string[],
  options: { isTerminal?: boolean; hooks?: CommandHooks } = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const io = {
    stdout: (text: string) => void (out += text),
    stderr: (text: string) => void (err += text),
    isTerminal: options.isTerminal ?? false,
  }
  const code = await verifyCommand(args, io, options.hooks)
  return { code, out, err }
}

test('a log is verified, by its key and from an earlier checkpoint, and the summary says on what it rests', async () => {
  const { code, out, err } = await run([
    logDir,
    '--vkey',
    logKey.vkey,
    '--from-checkpoint',
    earlier,
  ])
  assert.deepEqual([code, err], [0, ''])
  assert.match(
    out,
    /^log verified: 33,600 entries of log\.example\.com\/test, each as it was signed\n/,
  )
  assert.match(
    out,
    /signed by {3}log\.example\.com\/test\n {2}grown from {2}the earlier checkpoint of 300 entries\n/,
  )
})

test('a key may be in a file, and the folder may be the data folder around the log', async () => {
  const file = join(dataDir, 'log.vkey')
  writeFileSync(file, `# the log\n${logKey.vkey}\n`)
  const { code, out } = await run([dataDir, '--vkey', file, '--json'])
  assert.equal(code, 0)
  const report = JSON.parse(out)
  assert.deepEqual(
    [report.verified, report.signatureChecked, report.size, report.sessions, report.findings],
    [true, true, 33_600, 1, []],
  )
})

test('without a key the warning is loud, on stderr and in the answer', async () => {
  const { code, out, err } = await run([logDir])
  assert.equal(code, 0)
  assert.match(err, /warning: no --vkey was given: SIGNATURES ARE NOT CHECKED/)
  assert.match(out, /^log verified against itself only, its signature was NOT checked/)
})

test('a changed byte makes the exit code 1 and names the file, the entry and the byte', async () => {
  const path = join(logDir, 'tile/entries/100')
  const bytes = readFileSync(path)
  const flipped = Buffer.from(bytes)
  flipped[5000] = (flipped[5000] ?? 0) ^ 1
  writeFileSync(path, flipped)
  try {
    const { code, out } = await run([logDir, '--vkey', logKey.vkey])
    assert.equal(code, 1)
    assert.match(out, /^log NOT verified: \d findings?\n/)
    assert.match(
      out,
      /ENTRY_MISMATCH {2}tile\/entries\/100, entry 256\d\d, byte \d+: entry \d+ is not the one that was signed/,
    )
  } finally {
    writeFileSync(path, bytes)
  }
})

test('the same log is verified over HTTP', async () => {
  const server = createServer((request, response) => {
    try {
      response.end(readFileSync(join(logDir, request.url ?? '')))
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    const { code, out } = await run([`http://127.0.0.1:${port}/`, '--vkey', logKey.vkey])
    assert.equal(code, 0, out)
  } finally {
    server.closeAllConnections()
    server.close()
  }
  const gone = await run([`http://127.0.0.1:${port}/`, '--vkey', logKey.vkey])
  assert.equal(gone.code, 2)
  assert.match(gone.err, /error: could not read checkpoint of the log: /)
})

test('completeness is judged on threads, for entries and for a time, and said in words and as JSON', async () => {
  const asked = [logDir, '--vkey', logKey.vkey, '--complete']
  const whole = await run([...asked, '--json'])
  const { completeness } = JSON.parse(whole.out)
  // The sample has one session, which neither boots nor ends.
  assert.deepEqual(
    [whole.code, completeness.verdict, completeness.range, completeness.sessionsTotal],
    [0, 'unproved', { first: 0, last: 33_599 }, 1],
  )
  assert.match(completeness.unproved[0], /holds records of requests, and no boot/)
  const { code, out } = await run([...asked, '--range', '10-20'])
  assert.equal(code, 0)
  assert.match(
    out,
    /\nnot proved complete: entries 10 to 20, no hole found; 0 intents without an o/,
  )
  const day = await run([...asked, '--since', '2025-07-30', '--until', '2025-07-30T23:59:59Z'])
  assert.match(day.out, /\nnot proved complete: entries 0 to 33599, /)
})

test('a range that cannot be meant is refused', async () => {
  for (const [args, message] of [
    [['--range', '1-2'], /--range, --since and --until go with --complete/],
    [['--complete', '--range', '2-1'], /--range 2-1 is not of the form FIRST-LAST/],
    [['--complete', '--range', '01-2'], /is not of the form/],
    [['--complete', '--range', '0-33600'], /could not look at entry 33600: the log has 33600/],
    [['--complete', '--range', '0-1', '--since', '2026-01-01'], /not both/],
    [['--complete', '--since', 'yesterday'], /is no time with its zone/],
    [['--complete', '--since', '2026-01-01T10:00'], /is no time with its zone/],
    [['--complete', '--since', '2026-01-02', '--until', '2026-01-01'], /later than --until/],
  ] as const) {
    const { code, err } = await run([logDir, ...args])
    assert.equal(code, 2)
    assert.match(err, message)
  }
})

test('a link in the log is reported, whatever it points to', async () => {
  const link = join(logDir, 'tile/0/900')
  symlinkSync('000', link)
  try {
    const { code, out } = await run([logDir, '--vkey', logKey.vkey])
    assert.equal(code, 1)
    assert.match(out, /tile\/0\/900/)
  } finally {
    rmSync(link)
  }
})

test('progress is shown on a terminal and cleared before the answer', async () => {
  const { err } = await run([logDir, '--vkey', logKey.vkey], { isTerminal: true })
  assert.match(err, /\r\[#*\.*\] [\d,]+ of 33,600 entries/)
  assert.ok(err.endsWith('\r\u001b[K'))
})

test('further checks run on a data folder, and only there', async () => {
  const hooks: CommandHooks = {
    program: 'countersign verify',
    extra: async function* (log) {
      yield {
        code: 'EXTRA_CHECK',
        path: 'addenda/000',
        message: `torn\u001b[2J in ${log.dataDir === dataDir ? 'the data folder' : '?'} of ${log.size}`,
      }
    },
  }
  const { code, out } = await run([dataDir, '--vkey', logKey.vkey], { hooks })
  assert.equal(code, 1)
  // What a log says never reaches the terminal as a control sequence.
  assert.match(out, /EXTRA_CHECK {2}addenda\/000: torn\\u\{1b\}\[2J in the data folder of 33600/)
  assert.equal((await run([logDir, '--vkey', logKey.vkey], { hooks })).code, 0)
})

test('wrong usage and what cannot be read exit with 2 and one sentence', async () => {
  for (const [args, message] of [
    [
      [],
      /^countersign-verify: error: could not verify: give one directory, URL or bundle\ncountersign-verify: hint: countersign-verify --help\n$/,
    ],
    [[logDir, logDir], /give one directory, URL or bundle/],
    [[logDir, '--nope'], /error: could not read the arguments: Unknown option '--nope'/],
    [[join(logDir, 'nowhere')], /error: could not read .*nowhere: there is no such directory/],
    [
      [logDir, '--vkey', 'nonsense'],
      /error: could not use --vkey nonsense: it is no file, and no vkey/,
    ],
    [
      [logDir, '--from-checkpoint', '/nonexistent'],
      /error: could not read the earlier checkpoint: ENOENT/,
    ],
  ] as const) {
    const { code, err, out } = await run(args)
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, message)
  }
})

test('help is what it is, and ends with an example', async () => {
  const { code, out } = await run(['--help'])
  assert.equal(code, 0)
  assert.match(
    out,
    /^Usage: countersign-verify <directory\|url> \[--vkey KEY\|FILE\]\.\.\. \[--policy FILE\] \[--from-checkpoint FILE\]\n {7}\[--continues DIR\|URL\] \[--addenda\]\n {7}\[--complete \[--range FIRST-LAST \| --since TIME\] \[--until TIME\]\] \[--json\]\n/,
  )
  assert.match(
    out,
    /Example:\n {2}countersign-verify \.\/data\/log --vkey \.\/data\/log\.vkey --from-checkpoint .*\n$/,
  )
})

test('the command starts from a checkout, also on a Node that is too old for it, and passes its exit code on', async () => {
  const command = fileURLToPath(new URL('../bin/countersign-verify.js', import.meta.url))
  const start = async (
    file: string,
    args: readonly string[],
  ): Promise<{ code: unknown; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      execFile(file, args, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      )
    })
  const good = await start(process.execPath, [command, logDir, '--vkey', logKey.vkey])
  assert.deepEqual([good.code, good.stderr], [0, ''])
  assert.match(good.stdout, /^log verified: /)
  assert.equal(
    (await start(process.execPath, [command, logDir, '--vkey', testKey(2).vkey])).code,
    1,
  )
  // As if this Node were an old one without execve: the module that is loaded first says so.
  const asOld = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.0.0'});process.execve=undefined`
  const old = await start(process.execPath, [
    '--import',
    asOld,
    command,
    logDir,
    '--vkey',
    logKey.vkey,
  ])
  assert.deepEqual([old.code, old.stderr], [0, ''])
  assert.match(old.stdout, /^log verified: /)
  assert.equal((await start(process.execPath, ['--import', asOld, command])).code, 2)
})
