/** VERIFY.md, the guide in a bundle: for someone who has never heard of us, and has no reason to trust us. */
import { CLAIMS } from '@countersign/verifier/bundle/claims'
import type { Manifest } from '@countersign/verifier/bundle/manifest'

/** What the guide tells; all of it is in the manifest too, which is written after it. */
export type GuideFacts = Omit<Manifest, 'files'> & {
  /** SHA-256, hexadecimal, of the page in the bundle. */
  readonly pageDigest: string
  readonly hasEarlier: boolean
}

export function guideText(facts: GuideFacts): string {
  return `# How to check this bundle

${about(facts)}

**What it can show.** ${CLAIMS[facts.claim]}

**What it cannot.** That everything that happened was recorded, and that what was recorded was true. It shows that these
records are the ones that were signed, in the order that was signed, and that nothing in them was changed since.

You need one thing from elsewhere: the **key of the log** (\`log.vkey\`), from whoever runs the log, from their
website, or from someone who has audited it before. Everything else is in here. A bundle that is checked only by the keys it
brought along shows that it fits together, not whose it is.

## In a browser

Open \`verify.html\` in any current browser, with the network off if you like, drop this zip on it, and paste the key.
The page in this bundle came from whoever sent it. Rather use one that you got before or from elsewhere; this one has the
SHA-256

    ${facts.pageDigest}

which is the one in docs/spec/bundle.md of the release it belongs to.

## On a command line

    countersign-verify BUNDLE.zip --vkey log.vkey

Exit code 0: it verifies. 1: it does not, and every file, record and byte that is wrong is named. 2: it could not look.

## By hand, with tools of others

Unpack it with any unzip program. \`checkpoint\` is a C2SP signed note: the name of the log, how many records it has, the
root of its Merkle tree, and signatures. \`policy\` (C2SP tlog-policy) says whose signatures are asked for.
${facts.carried === 'receipts' ? byReceipts : byTiles}${facts.hasEarlier ? byConsistency : ''}
\`addenda/ab/cd/<hex>\` is content that a record names by its SHA-256: the name of the file.

    sha256sum addenda/*/*/*

A line of \`addenda.keys\` is such a digest and either \`clear\` or the key that opens the file (C2SP chunked-encryption,
AES-256-GCM; the context is "<id> <phase> <place>", such as "01…c7 intent 0").

Formats: https://c2sp.org (signed-note, tlog-checkpoint, tlog-tiles, tlog-proof, tlog-policy), RFC 6962 for the tree.
`
}

function about({ log, asked, scope, records, recorded }: GuideFacts): string {
  const lines = [
    ['Log', log.origin],
    ['State', `${log.size} records, root ${log.root}`],
    ['Scope', scope.subject === undefined ? scope.kind : `${scope.kind} ${scope.subject}`],
    ...(scope.since === undefined ? [] : [['Since', scope.since]]),
    ...(scope.until === undefined ? [] : [['Until', scope.until]]),
    ['Records', shortened(records)],
    ['Asked by', asked.by],
    ['Purpose', asked.purpose],
    ...(asked.matter === undefined ? [] : [['Matter', asked.matter]]),
    ['Written', asked.at],
    [
      'On record',
      recorded === ''
        ? 'no: the log has no record of this export'
        : `as record ${recorded} of the log`,
    ],
  ]
  // Indented, so that whatever a name holds is shown and not rendered.
  return lines
    .map(([label = '', value = '']) => `    ${label.padEnd(10)} ${oneLine(value)}`)
    .join('\n')
}

const LIST_CHARACTERS_MAX = 200

function shortened(records: string): string {
  return records.length <= LIST_CHARACTERS_MAX
    ? records
    : `${records.slice(0, LIST_CHARACTERS_MAX)}… (all in manifest.json)`
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
}

const byReceipts = `
Each record is \`records/<place>.entry\`, and \`records/<place>.tlog-proof\` (C2SP tlog-proof) shows it to be in the tree. The
leaf hash of a record:

    (printf '\\0'; cat records/17.entry) | sha256sum

filippo.io/torchwood checks a proof: \`torchwood.VerifyProof(policy, tlog.RecordHash(entry), proof)\`. \`countersign verify
records/17.tlog-proof --entry records/17.entry --vkey log.vkey\` does the same. A record is one line of JSON:

    head -n 1 records/17.entry
`

const byTiles = `
\`tile/\` is a part of the log as it is published (C2SP tlog-tiles): \`tile/entries/000\` holds the records 0 to 255, each after
two bytes of length; \`tile/0/000\` holds their leaf hashes, SHA-256(0x00 || record), 32 bytes each:

    xxd -p -c 32 tile/0/000 | head -n 1

The hash over a full tile (RFC 6962, pair by pair) stands in the tile of the next level. If this is the whole log, Tessera's
\`fsck -storage_url=file://$PWD -public_key=FILE\` checks all of it, with the first line of \`log.vkey\` in FILE.
`

const byConsistency = `
\`checkpoint.earlier\` is an earlier state of the log, and \`consistency\` shows that it only grew since: it is the body of a C2SP
tlog-witness \`add-checkpoint\` request, so any witness that knows the earlier state can be asked to judge it.
`
