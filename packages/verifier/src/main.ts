/** What `countersign-verify` runs. */
import { verifyCommand } from './command.ts'

process.exitCode = await verifyCommand(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY,
})
