/**
 * Every help text, written by hand: what it does, what it takes, and last an example that works.
 * A test pins that each fits 80 columns, names every option, and ends in its example.
 */

/** `countersign --help`. */
export const usage: string = `Usage: countersign <command> [options]

A gateway that identifies, authorises and records every request in and every
call out, on a log that anyone can verify.

Run it:
  init      write countersign.yaml, keys and an empty log
  up        run signer, ledger and gateway, and keep them running
  demo      see all of it at work within a minute, with nothing set up

Look at the log:
  tail      print records as they are published, each verified
  show      print one transaction: intent, outcome and proof
  prove     write the proof of one record to a file
  verify    re-hash a whole log, or check one proof

Manage:
  config    check countersign.yaml, or print its schema
  keys      create, list and revoke API keys
  policy    explain who may do what, and by which rule

Each process of 'up' also runs alone: signer, ledger, gateway.

  -h, --help     help for the whole, or for one command
      --version  print the version

Exit codes: 0 done; 1 the answer is no (denied, or a proof does not verify);
2 wrong usage, or it could not run.

Example:
  countersign init && countersign up
`

/** The help of each command, by the words that call it. */
export const commandUsage: Readonly<Record<string, string>> = {
  init: `Usage: countersign init [DIR] [--origin NAME] [--json]

Writes all that a gateway needs into DIR (this folder by default) and never
overwrites: countersign.yaml with comments, countersign.schema.json for your
editor, secrets/ with the keys, log.vkey for those who verify, an empty log.

      --origin NAME  the name of the log, for ever: a URL you control, without
                     its https:// (default: example.com/audit/<random>)
      --json         print the paths as one JSON object

Example:
  countersign init ./audit --origin audit.example.com/eu-1
`,

  up: `Usage: countersign up [--config FILE] [--json]

Runs signer, ledger and gateway as three processes, starts again what dies, and
stops them in order on SIGINT or SIGTERM: the gateway first (it finishes what it
has begun), then the ledger (all is durable, signed and published), then the
signer. On SIGHUP, or when the file changes, the gateway takes the new rules
without dropping a connection. Request log lines go to stdout.

  -c, --config FILE  default: ./countersign.yaml
      --json         print one JSON line on stdout once all are ready

Example:
  countersign up --config ./countersign.yaml
`,

  signer: `Usage: countersign signer [--config FILE]

Runs the signer alone: it holds the log key, and signs only what is consistent
with what it signed before. Prefer 'countersign up' on one machine.

  -c, --config FILE  default: ./countersign.yaml

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

  tail: `Usage: countersign tail [DIR|URL] [--config FILE] [options]

Prints records as they are published. Every record shown was re-hashed and is in
the tree that the signed checkpoint names; each new checkpoint was found to
extend the one before. Ends when it is not so.

DIR is a data folder or the folder of a log; URL is a published log.

  -c, --config FILE  the log of this configuration (default:
                     ./countersign.yaml)
      --vkey KEY     the log's key, or a file with it; without it log.vkey
                     beside the configuration or the log is trusted
      --from INDEX   begin there (default: the last 10 records)
      --once         print what there is, and end
      --json         print one JSON object a record

Example:
  countersign tail --once --from 0
`,

  show: `Usage: countersign show ID|INDEX [DIR|URL] [--config FILE] [options]

Prints one transaction: its intent, its outcome, the addenda that are at hand,
and its proof, checked on the spot. ID is the id of a transaction, as in the
countersign-record header of an answer; INDEX is a place in the log.

  -c, --config FILE  the log of this configuration (default:
                     ./countersign.yaml)
      --vkey KEY     the log's key, or a file with it
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

  verify: `Usage: countersign verify [DIR|URL] [--vkey KEY] [--from-checkpoint FILE]
                          [--complete [--range FIRST-LAST]]
       countersign verify FILE.tlog-proof --entry FILE [--vkey KEY]

The first re-hashes a whole log, checks the signature and the structure of every
record, and names what is wrong and where. In a data folder it also checks the
addenda against the records that name them and, while nothing writes it, the
write-ahead log. Without DIR it takes the log of the configuration. The second
checks one proof.

      --vkey KEY              the log's key, or a file with it
      --from-checkpoint FILE  a checkpoint you kept: the log must extend it
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

  demo: `Usage: countersign demo [--exit] [--dir DIR]

Starts two small services, a token issuer and a gateway around them, sends
traffic both ways, shows what was decided and recorded, and verifies the log.
Then it stays up for you to try, until Ctrl-C.

      --exit     end after the traffic
      --dir DIR  keep everything there (default: a new temporary folder)

Example:
  countersign demo --exit
`,

  version: `Usage: countersign version [--json]

Prints the version of countersign and of Node.js.

Example:
  countersign version
`,
}
