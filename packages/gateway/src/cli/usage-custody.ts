/** The help of the commands by which content is forgotten, or kept from it. */
export const custodyUsage: Readonly<Record<string, string>> = {
  erase: `Usage: countersign erase --subject PSEUDONYM --basis TEXT --by WHO [options]
       countersign erase --record ID|INDEX --basis TEXT --by WHO [options]

Erases a person, or any other subject, in this order: a record that says so is
durable; the name behind the pseudonym is forgotten and the key destroyed; the
addenda are removed. The log stays whole, and 'verify' says by which record they
went. Run again, it completes what was cut short. It needs the ledger.

Exit code 1: a legal hold stands, and nothing was done.

      --subject PSEUDONYM  as in the log: 32 hexadecimal digits, or all of a day
                           of whom nobody knows, as anonymous/2026-11-25
      --record ID|INDEX    the subject of this record; where nobody was known,
                           that is everybody of its day
      --basis TEXT         why, for ever on record: no personal data
      --by WHO             who asked for it, as well
      --dry-run            say what would go, and do nothing
  -c, --config FILE        default: ./countersign.yaml
      --json               print JSON

Example:
  countersign erase --record 17 --dry-run
`,

  hold: `Usage: countersign hold --subject PSEUDONYM --matter TEXT --basis TEXT --by WHO

Puts a legal hold on record: until it is released, the subject is not erased.
Whether a hold stands is read from the log itself, so nothing but a release
lifts it. It needs the ledger.

      --subject PSEUDONYM  as in the log
      --matter TEXT        the case it is for; a subject may be held for several
      --basis TEXT         why, for ever on record: no personal data
      --by WHO             who asked for it
  -c, --config FILE        default: ./countersign.yaml
      --json               print JSON

Example:
  countersign hold --subject anonymous/2026-11-25 --matter 7 --basis law --by me
`,

  release: `Usage: countersign release --subject PSEUDONYM --matter TEXT --basis TEXT
                           --by WHO

Ends the hold of one matter; holds for others stand. Exit code 1: there was
none. It needs the ledger.

      --subject PSEUDONYM  as in the log
      --matter TEXT        the case, exactly as in 'hold'
      --basis TEXT         why, for ever on record: no personal data
      --by WHO             who asked for it
  -c, --config FILE        default: ./countersign.yaml
      --json               print JSON

Example:
  countersign release --subject unknown/2026-11-25 --matter 7 --basis x --by me
`,

  retention: `Usage: countersign retention [--today DAY] [--json]
       countersign retention --apply --by WHO [--basis TEXT] [--json]

Shows what was kept for as long as the configuration says (retention), and with
--apply lets it go: the run is put on record, then the keys of the days that are
over are destroyed, and the index drops their rows. Leaves stay for ever, and
ciphertexts stay as they are: nothing opens them. A day stays, keys and rows,
while a legal hold stands on somebody with records in it. If it is cut short,
run it again. It needs the ledger.

      --apply        do it
      --by WHO       who or what runs it, for ever on record
      --basis TEXT   why, for ever on record
      --today DAY    look ahead: what will be due on a day (UTC), 2027-01-31
  -c, --config FILE  default: ./countersign.yaml
      --json         print JSON

Example:
  countersign retention --today 2027-01-31
`,
}
