/** How the log is read, and for how long content is kept: commented out, since without it both are as they should be. */
const READING = `# Who may read the log, and as what: each question is itself on record. Whoever
# can read the data folder reads as an auditor.
# reader:
#   access:
#     - { role: auditor, to: group:audit }
#     - { role: viewer, to: group:helpdesk, services: [orders] }

# How long what was sealed is kept; leaves stay for ever. See 'countersign
# retention'.
# retention:
#   default: 365 days
#   labels: { pii: 90 days }`

/** The configuration that `init` writes: short, commented, and working as it stands. A test holds it to the schema. */
export function configTemplate(origin: string): string {
  return `# yaml-language-server: $schema=./countersign.schema.json
#
# Everything that Countersign does here is in this file.
# After a change: 'countersign config check'. A running gateway takes the new
# rules at once, without dropping a connection; a file with a mistake changes
# nothing. Every version in force is itself on the log, by its hash.

# The name of the log, for ever: auditors know it by this name and by log.vkey.
origin: ${origin}

# Where the log, its write-ahead log and the sockets are.
data: ./countersign-data

# The signer is a process of its own with state of its own. It signs only what
# extends what it has signed before: nobody can rewrite the past through it.
signer:
  key: ./secrets/log.skey
  state: ./signer-state
sequencer:
  key: ./secrets/sequencer.skey

# Credentials are never stored, only fingerprints under this key.
fingerprintKey: ./secrets/fingerprint.key

# What identifies or reveals is sealed under a key for each person, and those
# under this one: a person can be erased ('countersign erase'). Keep a copy of
# it in a safe place, apart from any copy of the data: without it, nothing that
# was sealed can be read again.
seal:
  key: ./secrets/tenant.key

listen:
  inbound: 127.0.0.1:8080 # requests in: point your clients here
  egress: 127.0.0.1:8081 # calls out: HTTP_PROXY and HTTPS_PROXY of services
  admin: 127.0.0.1:8082 # /healthz, /readyz, /metrics
  log: 127.0.0.1:8083 # the log, read-only, for anyone who verifies it
  # Questions to the log. Without it the reader answers on a free port, which
  # 'countersign search' finds on this machine:
  # api: 127.0.0.1:8084

# Who may be known, and how.
identities:
  # API keys, hashed. Make one with:
  #   countersign keys create --name alice --type user --group support
  - keys: ./secrets/api-keys.yaml
  # People by OpenID Connect, services by tokens:
  # - issuer: https://login.example.com/
  #   audience: orders
  # Services by client certificate:
  # - clientCertificates: ./pki/services-ca.pem

# What may be done, and by whom.
roles:
  support: [orders.read]
  sales: ['orders.*']
grants:
  - { role: support, to: group:support }
  - { role: sales, to: group:sales }
  # - { role: support, to: user:bob, until: 2027-01-31 }

# What stands behind the gateway (in), and what calls through it (out).
services:
  orders:
    owner: { team: orders }
    upstream: http://127.0.0.1:9001
    routes:
      # What no route names is refused.
      - { match: 'GET /orders/{id}', permission: orders.read }
      - { match: 'POST /orders', permission: orders.write }
    egress:
      mode: enforce # 'report' lets all pass and notes what would be refused
      allow: [api.stripe.com]
      # How this service proves itself to the proxy. Make a credential with:
      #   countersign keys create --name orders --type service --egress orders
      credentials: ./secrets/egress-orders.yaml

${READING}
`
}
