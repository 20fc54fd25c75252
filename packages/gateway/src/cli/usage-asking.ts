/** The help of the commands that ask the log; usage.ts has the others, and says how they are written. */

/** Options of every command that asks the API. */
const apiHelp = `      --api URL          the API to ask (default: that of the configuration,
                         else of your running demo)
      --key-file FILE    a file with the API key to show there
      --token-file FILE  or one with a bearer token
      --ca FILE          the authority that vouches for it, PEM
  -c, --config FILE      default: ./countersign.yaml`

/** What goes on record with a question. */
const askerHelp = `      --purpose TEXT     why; an auditor who says so sees sealed content
      --ticket TEXT      the case it belongs to
      --role ROLE        as whom: viewer, owner, auditor, investigator, subject
      --approval ID      an unmasking that a second person has approved`

/** The help of each, by the word that calls it. */
export const askingUsage: Readonly<Record<string, string>> = {
  search: `Usage: countersign search [QUESTION] [options]

Finds transactions, newest first. A question is words such as actor:billing
service:orders status:>=400 path:"/orders/*" label:pii since:24h, each of which
must fit; -word or NOT for what must not, OR and brackets for either, and plain
words for text anywhere. Without a question: everything.

Asking is itself on record: who, as which role, why, and which records were
shown. What a role may not see is [masked].

      --since, --until TIME
                         24h, today, 2026-11-26; the same as since: and until:
  -n, --limit N          how many at most (default: 50); over 1,000 it takes
                         several reads
      --fields A,B       these fields, in this order
      --oldest           oldest first
      --json             print one JSON object a transaction
      --csv              print CSV that no spreadsheet runs
      --save NAME        keep the question under a name, for all readers
      --saved NAME       ask the question kept under it
${askerHelp}
${apiHelp}

Example:
  countersign search 'outcome:denied since:24h'
`,

  tail: `Usage: countersign tail [DIR|URL] [--config FILE] [options]
       countersign tail QUESTION [options]

The first prints records as they are published. Every record shown was re-hashed
and is in the tree that the signed checkpoint names; each new checkpoint was
found to extend the one before. Ends when it is not so.

DIR is a data folder or the folder of a log; URL is a published log.

  -c, --config FILE  the log of this configuration (default:
                     ./countersign.yaml)
      --vkey KEY     the log's key, or a file with it; without it log.vkey
                     beside the configuration or the log is trusted
      --from INDEX   begin there (default: the last 10 records)
      --once         print what there is, and end
      --json         print one JSON object a record, or a transaction

The second asks the running reader for transactions that fit a question (see
'countersign search --help'), as they end. An argument is a question unless it
is a URL, is there as a file or folder, begins with . / or ~, or ends with /.

  -q, --filter QUESTION  a question, whatever it looks like
      --purpose, --ticket, --role, --approval
                         as in 'search'
      --api URL, --key-file FILE, --token-file FILE, --ca FILE
                         as in 'search'

Example:
  countersign tail --once --from 0
`,

  top: `Usage: countersign top FIELD[,FIELD] [QUESTION] [options]
       countersign top --every TIME [QUESTION] [options]

Counts the transactions that fit a question (see 'countersign search --help'),
by one field or several: the largest first. With --every, by steps of time.

  -m, --measure WHAT     count (the default), rate (a second), or of a field:
                         distinct:actor.id, sum:request.bytes, average:duration,
                         min:, max:, p50:duration, p99.9:duration; several with
                         commas, or repeated
      --every TIME       steps of time: 30s, 15m, 1h, 1d
      --since, --until TIME
                         the same as since: and until: in the question
  -n, --limit N          how many lines at most (default: 20)
      --json             print one JSON object a line
${askerHelp}
${apiHelp}

Example:
  countersign top service --measure count,p95:duration 'since:24h'
`,

  trace: `Usage: countersign trace TRACE|ID [options]

Prints all transactions of one trace as a tree: each under what caused it, with
when it began after the first, how long it took, who did what, and how it ended.
TRACE is a W3C trace id; ID is the id of any record of it.

      --json             print one JSON object a step
${askerHelp}
${apiHelp}

Example:
  countersign trace 4bf92f3577b34da6a3ce929d0e0e4736
`,

  questions: `Usage: countersign questions list [options]
       countersign questions show NAME [options]
       countersign questions save NAME QUESTION [--about TEXT] [options]
       countersign questions delete NAME [options]

Questions that readers keep under a name: small letters, digits and hyphens.
'countersign search --saved NAME' asks one.

      --about TEXT       what it is for
      --json             print JSON
${apiHelp}

Example:
  countersign questions save refused 'outcome:denied since:24h'
`,

  unmask: `Usage: countersign unmask request QUESTION --purpose TEXT [options]
       countersign unmask request --record ID|--trace ID --purpose TEXT
       countersign unmask list [options]
       countersign unmask approve ID [options]

Shows sealed content to an investigator, with a second person's approval: the
one asks, for one question, record or trace; another investigator approves. For
an hour from then on the first may ask that question in full, with --role
investigator --approval ID. Request and approval are records.

      --record ID        for this record
      --trace TRACE      for this trace
      --purpose TEXT     why
      --ticket TEXT      the case it belongs to
      --json             print JSON
${apiHelp}

Example:
  countersign unmask request 'path:/orders/17' --purpose 'case 7'
`,

  reindex: `Usage: countersign reindex [--config FILE] [--json]

Makes the index anew out of the logs that the configuration names, verifying
each record. It is made beside the one in use, which answers until the new one
is whole; the running reader then takes it by itself. Nothing is lost with an
index: it holds no fact that is not in a log.

A log that does not verify ends it, and the index stays as it was.

  -c, --config FILE  default: ./countersign.yaml
      --json         print one JSON line at the end

Example:
  countersign reindex --config ./countersign.yaml
`,

  'who-read': `Usage: countersign who-read --record ID|INDEX [DIR|URL] [options]
       countersign who-read --subject PSEUDONYM [DIR|URL] [options]

Says who looked at a record, or at any record of a subject: when, as which role,
why, what was asked, and whether sealed content was shown. It reads the log
itself and verifies all it reads, so it works while the reader and the gateway
are down, and nobody can leave a look out. Bundles that left by 'export' and
'disclose' are looks as well. Purposes and questions are sealed: they are shown
where the keys are at hand.

      --record ID|INDEX  the transaction that may have been read
      --subject PSEUDONYM
                         as in the log: 32 hexadecimal digits, or all of a day
                         of whom nobody knows, as anonymous/2026-11-25
      --origin NAME      with --record INDEX: of this other log, which the
                         reader here follows
  -c, --config FILE      the log of this configuration (default:
                         ./countersign.yaml)
      --vkey KEY         the log's key, or a file with it
      --json             print one JSON object a look

Example:
  countersign who-read --record 17
`,
}
