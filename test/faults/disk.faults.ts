/** Disks that are full, that may no longer be written, and that are slow. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { runSigner } from '../../packages/gateway/src/witness.ts'
import { findCommand } from '../setup.ts'
import { Evidence } from './evidence.ts'
import { noteOutcome } from './outcomes.ts'
import { checkLastWords } from './processes.ts'
import { copyOf, makeTemplate } from './scene.ts'
import type { Scene } from './scene.ts'
import { attach, threadsOf, whyNoStrace } from './strace.ts'

/** Room for the log as it is, and little more. */
const SMALL_BYTES = 1_600_000
const APPENDS_MAX = 500
const IMAGE_BYTES: number = 48 * 1024 * 1024
let template: Scene

before(async () => {
  template = await makeTemplate()
})
after(async () => template[Symbol.asyncDispose]())

/** A file system of its own for one log, as root alone can make it. */
interface Mounted extends AsyncDisposable {
  readonly folder: string
  remount(options: string): void
  /** Unmounts it, and mounts it as at first: what was written and not synced may be gone. */
  mountAgain(): void
}

async function mounted(...mount: readonly string[]): Promise<Mounted | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-disk-'))
  try {
    execFileSync('mount', [...mount, folder], { stdio: 'ignore' })
  } catch {
    // No root, or no such file system in this kernel: the caller says that it is skipped.
    await rm(folder, { recursive: true })
    return undefined
  }
  return {
    folder,
    remount: (options) => void execFileSync('mount', ['-o', `remount,${options}`, folder]),
    mountAgain: () => {
      execFileSync('umount', [folder])
      execFileSync('mount', [...mount, folder])
    },
    [Symbol.asyncDispose]: async () => {
      execFileSync('umount', ['-l', folder])
      await rm(folder, { recursive: true })
    },
  }
}

test('a disk that fills up', async (t) => {
  await using disk = await mounted('-t', 'tmpfs', '-o', `size=${SMALL_BYTES}`, 'tmpfs')
  if (disk === undefined) return t.skip('mounting a file system needs root')
  await using scene = await copyOf(template, disk.folder)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const child = scene.start('ledger')
  assert.ok(await child.ready)
  // Until it cannot: the write-ahead log and the published folder share this disk.
  for (let n = 0; n < APPENDS_MAX; n++) {
    const appended = await evidence.append(makeDraft({ content: Buffer.alloc(12_000, n) }))
    if (!appended) break
    if (n % 5 === 0) await evidence.publish()
  }
  assert.equal(await evidence.publish(), false, 'the disk did not fill up')
  child.stop()
  const end = await child.exited
  if (end.code !== 0) checkLastWords(end, { dir: scene.dir, met: 'a disk that is full' })
  noteOutcome('disk', 'full', end.code === 0 ? 'carried on' : 'stopped, said why')
  await signer.close()
  disk.remount(`size=${SMALL_BYTES * 8}`)
  await evidence.hold()
})

test('a disk that becomes read-only under a running ledger and signer', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-image-'))
  t.after(async () => rm(folder, { recursive: true }))
  const image = join(folder, 'ext4')
  if (findCommand('mkfs.ext4') === undefined) return t.skip('there is no mkfs.ext4 here')
  await writeFile(image, '')
  await truncate(image, IMAGE_BYTES)
  execFileSync(findCommand('mkfs.ext4') ?? '', ['-q', '-F', image])
  await using disk = await mounted('-o', 'loop', image)
  if (disk === undefined) return t.skip('mounting a file system needs root')
  await using scene = await copyOf(template, disk.folder)
  const children = [scene.start('signer'), scene.start('ledger')]
  for (const child of children) assert.ok(await child.ready)
  const evidence = new Evidence(scene)
  assert.ok(await evidence.append(makeDraft(), 'D1'))
  assert.ok(await evidence.prove())
  // What ext4 does by itself after an error of the disk below: every write is refused from now on.
  disk.remount('abort')
  await evidence.append(makeDraft())
  await evidence.publish()
  for (const child of children.toReversed()) {
    child.stop()
    const end = await child.exited
    if (end.code !== 0) checkLastWords(end, { dir: scene.dir, met: 'a disk that is read-only' })
    noteOutcome('disk', 'read-only', end.code === 0 ? 'carried on' : 'stopped, said why')
  }
  disk.mountAgain()
  await evidence.hold()
})

test('a slow disk: answers come late, and are true', { skip: whyNoStrace() ?? false }, async () => {
  await using scene = await copyOf(template)
  const signer = scene.own(await runSigner(scene.signer))
  const evidence = new Evidence(scene)
  const child = scene.start('ledger')
  assert.ok(await child.ready)
  const calls = 'fdatasync,fsync,pwrite64'
  const log = join(scene.dir, 'strace')
  const threads = Object.values(threadsOf(child.process))
  const strace = await attach(threads, [
    '-o',
    log,
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:delay_exit=100000`,
  ])
  for (let n = 0; n < 8; n++) {
    assert.ok(
      await evidence.append(
        makeDraft({ content: Buffer.alloc(12_000, n) }),
        n % 2 === 0 ? 'D0' : 'D1',
      ),
    )
    assert.ok(await evidence.prove())
  }
  assert.ok(await evidence.publish())
  child.stop()
  assert.equal((await child.exited).code, 0)
  await strace.done
  await signer.close()
  await evidence.hold()
  noteOutcome('disk', 'slow', 'carried on')
})
