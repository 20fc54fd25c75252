/** What stands around the demo's gateway; ports of this machine. */
export interface DemoAddresses {
  readonly ordersPort: number
  readonly billingPort: number
  /** The one destination that `orders` may call. */
  readonly paymentsPort: number
  readonly issuer: string
}

/** The demo's `countersign.yaml`: the shape of a real one, with ports that are free on this machine. */
export function demoConfig(origin: string, addresses: DemoAddresses): string {
  const { ordersPort, billingPort, paymentsPort, issuer } = addresses
  return `# yaml-language-server: $schema=./countersign.schema.json
# Written by 'countersign demo'. Port 0 is any free port.
origin: ${origin}
data: ./countersign-data
signer: { key: ./secrets/log.skey, state: ./signer-state }
sequencer: { key: ./secrets/sequencer.skey }
fingerprintKey: ./secrets/fingerprint.key
seal: { key: ./secrets/tenant.key }
listen:
  inbound: 127.0.0.1:0
  egress: 127.0.0.1:0
  admin: 127.0.0.1:0
  log: 127.0.0.1:0
ledger:
  checkpointInterval: 100 ms # a person is watching

identities:
  - issuer: ${issuer}
    audience: demo
    algorithms: [ES256]
    allowInsecureHttp: true # a demo on this machine only
  - keys: ./secrets/api-keys.yaml

roles:
  support: [orders.read]
  billing: [invoices.*, orders.refund]
grants:
  - { role: support, to: group:support }
  - { role: billing, to: service:billing }

services:
  orders:
    owner: { team: orders }
    upstream: http://127.0.0.1:${ordersPort}
    routes:
      - { match: 'GET /orders/{id}', permission: orders.read, labels: [pii] }
      - { match: 'POST /orders/{id}/refund', permission: orders.refund }
    egress:
      mode: enforce
      allow: ['localhost:${paymentsPort}']
      allowPrivate: [127.0.0.0/8, '::1/128'] # the demo's payment provider is local
      credentials: ./secrets/egress-orders.yaml
  billing:
    owner: { team: billing }
    upstream: http://127.0.0.1:${billingPort}
    routes:
      - { match: 'GET /invoices/{id}', permission: invoices.read }
`
}
