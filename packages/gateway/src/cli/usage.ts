/**
 * Every help text, written by hand: what it does, what it takes, and last an example that works.
 * A test pins that each fits 80 columns, names every option, and ends in its example.
 */
import { custodyUsage } from './usage-custody.ts'

import { askingUsage } from './usage-asking.ts'
import { evidenceUsage } from './usage-evidence.ts'

/** `countersign --help`. */
export const usage: string = `Usage: countersign <command> [options]

A gateway that identifies, authorises and records every request in and every
call out, on a log that anyone can verify.

Run it:
  init      write countersign.yaml, keys and an empty log
  up        run all processes of a gateway, and keep them running
  demo      see all of it at work within a minute, with nothing set up

Ask the log (of the running reader):
  search    find transactions by a question
  top       count, measure and compare, by any fields and over time
  trace     print one trace as a tree
  questions keep questions under a name
  unmask    see sealed content, with a second person's approval
  who-read  who looked at a record or a person; asks the log itself

Look at the log:
  tail      print records as they are published, each verified; or, by a
            question, transactions as they end
  show      print one transaction: intent, outcome and proof
  prove     write the proof of one record to a file
  verify    re-hash a whole log, or check one proof or bundle
  export    write a part of the log as a bundle that anyone can check
  disclose  open chosen records of one case, in such a bundle

For auditors:
  reconcile hold an upstream's own access log against the log
  witness   cosign the checkpoints of logs, and keep what contradicts them
  mirror    keep a verified copy of a log, and serve it

Manage:
  config    check countersign.yaml, or print its schema
  keys      create, list and revoke API keys
  policy    explain who may do what, and by which rule
  erase     erase a person: destroy the key, remove the addenda
  hold      keep a person from being erased; 'release' ends it
  retention let go of what was kept for long enough
  reindex   make the index anew from the logs
  completion
            let your shell complete commands, options, and questions

Each process of 'up' also runs alone: signer, ledger, gateway, reader,
scrubber.

  -h, --help     help for the whole, or for one command
      --version  print the version

Exit codes: 0 done; 1 the answer is no (denied, or a proof does not verify);
2 wrong usage, or it could not run.

Example:
  countersign init && countersign up
`

/** The help of each command, by the words that call it. */
export const commandUsage: Readonly<Record<string, string>> = {
  ...askingUsage,
  ...evidenceUsage,

  init: `Usage: countersign init [DIR] [--origin NAME] [--json]
       countersign init DIR --origin NAME --continues DIR|URL [--vkey KEY]

Writes all that a gateway needs into DIR (this folder by default) and never
overwrites: countersign.yaml with comments, countersign.schema.json for your
editor, secrets/ with the keys, log.vkey for those who verify, an empty log.

      --origin NAME  the name of the log, for ever: a URL you control, without
                     its https:// (default: example.com/audit/<random>)
      --continues PLACE
                     the log that this one continues under a new key: its last
                     checkpoint is checked, and becomes the first record here
      --vkey KEY     the key of that log, or a file with its keys
      --json         print the paths as one JSON object

Example:
  countersign init ./audit --origin audit.example.com/eu-1
`,

  up: `Usage: countersign up [--config FILE] [--json]

Runs signer, ledger, gateway, reader and scrubber as processes, starts again
what dies, and stops them in order on SIGINT or SIGTERM: the gateway (it
finishes what it has begun) before the ledger (all is durable, signed and
published), and that before the signer. On SIGHUP, or when the file changes,
gateway and reader take the new rules without dropping a connection. Request log
lines go to stdout.

  -c, --config FILE  default: ./countersign.yaml
      --json         print one JSON line on stdout once all are ready

Example:
  countersign up --config ./countersign.yaml
`,

  signer: `Usage: countersign signer [--config FILE]
       countersign signer --listen ADDR --key FILE --state DIR
                          --sequencer KEY [options]

Runs the signer alone: it holds the log keys, and signs only what is consistent
with what it signed before. The first is what 'countersign up' runs on one host.
The second needs no configuration, so that the signer can have a host of its
own; the ledger's configuration then says 'signer: { url: https://... }'.

  -c, --config FILE           default: ./countersign.yaml
      --listen ADDR           where to answer: TLS, except on the loopback
      --tls-certificate FILE  PEM: the certificate and its chain
      --tls-key FILE          PEM: its private key
      --key FILE              the log keys, made by init: secrets/log.skey
      --state DIR             what was signed last. It is never copied back
      --create                make the state: once, for a log without records
      --sequencer KEY         the ledger's public key, or a file with it, made
                              by init: secrets/sequencer.vkey
      --json                  print one JSON line once it is ready

Example:
  countersign signer --config ./countersign.yaml
`,

  ledger: `Usage: countersign ledger [--config FILE]

Runs the ledger alone: it orders records, makes them durable, has them signed
and publishes the log. It needs the signer. Prefer 'countersign up' on one
machine.

  -c, --config FILE  default: ./countersign.yaml

Example:
  countersign ledger --config ./countersign.yaml
`,

  gateway: `Usage: countersign gateway [--config FILE]

Runs the gateway alone: the listeners, identity and policy. It needs the ledger.
Prefer 'countersign up' on one machine.

  -c, --config FILE  default: ./countersign.yaml

Example:
  countersign gateway --config ./countersign.yaml
`,

  reader: `Usage: countersign reader [--config FILE]

Runs the reader alone: it follows the log into its index, verifying each record,
and answers questions over the HTTP API to whoever may ask. It needs the ledger,
since each question is on record. One reader an index. 'countersign up' runs it;
while it is down, requests pass and are recorded as ever.

  -c, --config FILE  default: ./countersign.yaml

Example:
  countersign reader --config ./countersign.yaml
`,

  scrubber: `Usage: countersign scrubber [--config FILE] [--once | --status] [--json]

Reads the log on this disk again and again, slowly, and holds every tile, bundle
and pack of addenda against the signed root. Damage is put on record, once, as
an alarm, and repaired where the right bytes can be had: tiles from what is
below them, anything from a mirror. 'countersign up' runs it; scrub.rate and
scrub.mirrors of the configuration say how fast, and from where to repair.

  -c, --config FILE  default: ./countersign.yaml
      --once         one full pass, then say how things stand
      --status       how far it is, the last full pass, and known damage
      --json         print JSON (with --once and --status)

Exit code 1 of --once and --status: something is damaged, and not repaired.

Example:
  countersign scrubber --once
`,

  witness: `Usage: countersign witness --key FILE --state FILE --log KEY [options]
       countersign witness keygen --name NAME --key FILE [--json]
       countersign witness evidence --state FILE [--json]

Runs a witness (C2SP tlog-witness): logs ask it to cosign each checkpoint, and
it does when the checkpoint continues all that it has cosigned before. So nobody
can be shown another history. Who shows it a fork gets no cosignature: both
signed checkpoints are kept beside the state, for anyone to check.

keygen    makes an Ed25519 and an ML-DSA-44 key, prints the public ones
evidence  prints every fork that was kept, in the order seen

      --key FILE     the private keys, made by keygen
      --state FILE   what was cosigned last. It is never copied back: a witness
                     that lost its state starts over with a new key
      --create       make the state: once, for a key that never cosigned
      --log KEY      the public key of a log, or a file with its keys, one a
                     line; may be repeated
      --listen ADDR  default: 127.0.0.1:8090. Speaks plain HTTP: requests are
                     believed for their signatures
      --name NAME    of keygen: a URL you control, without its https://
      --json         print JSON, one line for each thing that happens

It answers POST /add-checkpoint, GET /<SHA-256 of an origin>/checkpoint, and
GET /evidence. SIGTERM ends it in order.

Example:
  countersign witness --key w1.skey --state w1.state --create --log log.vkey
`,

  config: `Usage: countersign config check [--config FILE] [--json]
       countersign config schema

check   reads the file as 'up' would, and prints what is in force, defaults
        filled in
schema  prints the JSON Schema of the file, for editors

  -c, --config FILE  default: ./countersign.yaml
      --json         print the configuration in force as JSON

Example:
  countersign config check --config ./countersign.yaml
`,

  keys: `Usage: countersign keys create --name NAME --type user|service [options]
       countersign keys list [options]
       countersign keys revoke ID [options]

API keys. A key is printed once, alone on stdout; the file keeps its hash.

      --name NAME        who the key stands for
      --type TYPE        user or service
      --group NAME       a group the holder is in; may be repeated
      --expires DATE     the last day on which it works, as 2027-01-31
  -c, --config FILE      the configuration that names the file of keys
                         (default: ./countersign.yaml)
      --egress SERVICE   that service's file of keys for calls out
      --file FILE        this file of keys, whatever a configuration says
      --json             print JSON

Example:
  KEY=$(countersign keys create --name alice --type user --group support)
`,

  policy: `Usage: countersign policy explain WHO [--egress] METHOD URL [options]

Says whether a request would be allowed, and by which rule, step by step. Exit
code 0: allowed; 1: denied. Nothing is sent anywhere.

WHO is one of
      --actor user:NAME  a person; or agent:NAME
      --group NAME       a group that person is in; may be repeated
      --service NAME     a service
      --nobody           no credential at all

      --egress           a call out; the target is a URL, or CONNECT HOST:PORT
  -c, --config FILE      default: ./countersign.yaml
      --json             print JSON

Example:
  countersign policy explain --actor user:alice GET http://orders/orders/17
`,

  show: `Usage: countersign show ID|INDEX [DIR|URL] [--config FILE] [options]

Prints one transaction: its intent, its outcome, the addenda that are at hand,
and its proof, checked on the spot. ID is the id of a transaction, as in the
countersign-record header of an answer; INDEX is a place in the log.

  -c, --config FILE  the log of this configuration (default:
                     ./countersign.yaml)
      --vkey KEY     the log's key, or a file with it
      --policy FILE  whose cosignatures count (c2sp.org/tlog-policy; default:
                     the policy of the configuration)
      --json         print JSON

Example:
  countersign show 0
`,

  prove: `Usage: countersign prove ID|INDEX [DIR|URL] [--config FILE] [options]

Writes a proof that one record is in the log: a c2sp.org/tlog-proof@v1 file,
which together with the record convinces anyone who knows the log's key. For an
ID it proves the last record of the transaction: its outcome, once it has one.

  -o, --out FILE        default: <index>.tlog-proof
      --entry-out FILE  also write the record itself, byte for byte
  -c, --config FILE     the log of this configuration (default:
                        ./countersign.yaml)
      --vkey KEY        the log's key, or a file with it
      --json            print JSON

Example:
  countersign prove 0 -o boot.tlog-proof --entry-out boot.entry
`,

  verify: `Usage: countersign verify [DIR|URL] [options]
       countersign verify FILE.tlog-proof --entry FILE [options]
       countersign verify BUNDLE.zip [--vkey KEY] [--policy FILE]

The first re-hashes a whole log, checks the signature and the structure of every
record, and names what is wrong and where. In a data folder it also checks the
addenda against the records that name them (lawfully erased ones are counted,
missing ones are named) and, while nothing writes it, the write-ahead log.
Without DIR it takes the log of the configuration. The second checks one proof.

      --vkey KEY              the log's key, or a file with its keys; may be
                              repeated, for the old log's
      --policy FILE           demand the cosignatures that this policy asks for
                              (c2sp.org/tlog-policy); of a bundle: instead of
                              the one in it
      --from-checkpoint FILE  a checkpoint you kept: the log must extend it
      --continues DIR|URL     the old log, which this one continues under a new
                              key: it must be what record 0 says
      --addenda               of a published log: fetch every addendum, and tell
                              what was erased lawfully from what is missing
      --complete              prove also that no record is missing, and list
                              known gaps and intents without an outcome
      --range FIRST-LAST      judge only these entries, counted from 0
      --since, --until TIME   judge only the records of this time, such as
                              2026-07-30T12:00:00Z
      --entry FILE            the record that the proof is about
  -c, --config FILE           the log of this configuration (default:
                              ./countersign.yaml)
      --json                  print JSON

Exit code 0: verified; 1: it does not verify, or a hole was found; 2: could not
run. What cannot be proved complete is said, and is no hole.

Example:
  countersign verify ./countersign-data --vkey ./log.vkey
`,

  ...custodyUsage,

  mirror: `Usage: countersign mirror DIR|URL --to DIR --vkey KEY [options]

Keeps a verified copy of a log. Every tile and every bundle of records is held
against the signed root before it is stored, and the checkpoint comes last: the
copy may be killed at any moment and goes on where it was. A log that forked or
shrank is refused; both signed checkpoints are kept in DIR/evidence. The copy
is DIR/log, which any web server may publish; verify, tail, show and prove take
DIR, too.

      --to DIR             the folder of the copy: new, empty, or begun before
      --vkey KEY           the log's key, or a file with it
      --policy FILE        witnesses that must have cosigned (C2SP tlog-policy)
      --addenda            copy the addenda that the log serves, too
      --listen ADDRESS     serve the copy read-only, such as 127.0.0.1:8091
      --once               one round, and end
      --witness-key FILE   cosign what is stored (C2SP tlog-mirror): with a key
                           of its own, by 'countersign witness keygen'
      --witness-state FILE what that key cosigned last; never shared
      --witness-create     make that state: only for a key that never cosigned
      --json               print a line of JSON for each round

Exit code 1: the log forked, shrank or is not what was signed. With --listen the
copy is then served on as it is, until it is stopped.

Example:
  countersign mirror https://audit.example.com/eu-1 --to copy --vkey log.vkey
`,

  demo: `Usage: countersign demo [--exit] [--dir DIR]

Starts two small services, a token issuer and a gateway around them, sends
traffic both ways, shows what was decided and recorded, and verifies the log.
Then it stays up for you to try, until Ctrl-C.

      --exit     end after the traffic
      --dir DIR  keep everything there (default: a new temporary folder)

Example:
  countersign demo --exit
`,

  completion: `Usage: countersign completion bash|zsh|fish

Prints what your shell reads to complete the words of countersign: commands,
options, and in a question its fields and values. For these it asks the running
reader, as the command would, and that is on record like any question. What you
may not see is not offered.

In ~/.bashrc:                 eval "$(countersign completion bash)"
In ~/.zshrc, after compinit:  eval "$(countersign completion zsh)"
In ~/.config/fish/config.fish:
                              countersign completion fish | source

Example:
  countersign completion bash
`,

  version: `Usage: countersign version [--json]

Prints the version of countersign and of Node.js.

Example:
  countersign version
`,
}
