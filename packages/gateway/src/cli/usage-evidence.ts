/** The help of the commands that hand out evidence, or hold others' against the log; usage.ts has the others. */
export const evidenceUsage: Readonly<Record<string, string>> = {
  export: `Usage: countersign export [DIR|URL] SCOPE --by WHO --purpose TEXT -o FILE.zip
                          [options]

Writes a part of a log as a bundle: records, what proves them, a guide, and a
page that checks it in a browser. It is put on record first (over a URL it is
not, and the bundle says so), and checked before you get it.

SCOPE is one of
      --range FIRST-LAST       records by index; complete
      --since, --until TIME    records by time; one or both; complete
      --session ID             one life of a gateway; complete
      --person PSEUDONYM       records about a person, each with its proof; with
                               --range or times, only there
      --record ID|INDEX        single records; may be repeated

      --open                   open the addenda of these records: names, paths,
                               bodies; without it they stay closed
      --complete               with --person: ship the whole range, so that
                               nobody need believe that there was no more
      --by WHO                 who asks for it
      --purpose TEXT           what it is for; both go on record
  -o, --out FILE               the bundle; it must not exist
      --from-checkpoint FILE   an earlier checkpoint: the bundle proves that the
                               log grew from it
      --policy FILE            a tlog-policy: which witnesses must have signed
                               (default: that of the configuration)
      --unrecorded             with no ledger running: export all the same
  -c, --config FILE            the log of this configuration (default:
                               ./countersign.yaml)
      --vkey KEY               the log's key, or a file with it
      --json                   print JSON

Example:
  countersign export --range 0-99 --by me --purpose audit -o audit.zip
`,

  disclose: `Usage: countersign disclose --record ID|INDEX [--record ...] --matter TEXT
                            --by WHO --purpose TEXT -o FILE.zip [options]

Opens chosen records of one case, and no others, in a bundle that anyone can
check. It is put on record first; without a running ledger it is refused.

      --record ID|INDEX  what to open; an ID means all records of it
      --matter TEXT      the case
      --by WHO           who asks for it
      --purpose TEXT     what it is for; all three go on record
  -o, --out FILE         the bundle; it must not exist
      --policy FILE      a tlog-policy with witnesses that must have signed
  -c, --config FILE      the log of this configuration (default:
                         ./countersign.yaml)
      --vkey KEY         the log's key, or a file with it
      --json             print JSON

Example:
  countersign disclose --record 7 --matter 1/26 --by me --purpose law -o a.zip
`,

  reconcile: `Usage: countersign reconcile [DIR|URL] --service NAME --access-log FILE
       [--since TIME] [--until TIME] [options]

Compares the requests that an upstream wrote into its own access log with those
that the log says were forwarded to it, by their request id. Says what either
side lacks: a request that the upstream saw and the log does not know has gone
around the gateway. Where the upstream wrote no request id, time, method and
path must do, which is weaker and is said.

      --service NAME     the service, as the configuration names it
      --access-log FILE  the upstream's log
      --format FORMAT    nginx-json (the default); the log_format to use is in
                         docs/how-to/prove-completeness.md
      --since, --until TIME  compare this time only, such as
                         2026-07-30T12:00:00Z (default: that of the access log)
      --ignore PREFIX    leave out paths that begin so, such as /healthz; may be
                         repeated
  -c, --config FILE      the log of this configuration (default:
                         ./countersign.yaml)
      --vkey KEY         the log's key, or a file with it
      --json             print JSON

Exit code 1: the two do not agree, or a line could not be read.

Example:
  countersign reconcile --service orders --access-log /var/log/nginx/orders.json
`,
}
