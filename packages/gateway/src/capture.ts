/** The door of `capture`: bytes on a socket become a `Captured`, and what was decided on is what is forwarded. It decides nothing. */
export { listenInbound } from './capture/inbound.ts'
export { listenEgress } from './capture/egress.ts'
export type { EgressListening, EgressOptions, EgressUpdate } from './capture/egress.ts'
export type { InboundListening, InboundOptions, InboundUpdate } from './capture/inbound.ts'
export type { Listening, ListenerTls } from './capture/listening.ts'
export type { ServiceTarget } from './capture/upstreams.ts'
export { redactPath, redactQuery, redactRequestLine, redactText } from './capture/redact.ts'
export { CaptureError } from './capture/errors.ts'
export type {
  Exchange,
  Held,
  Journey,
  Malformed,
  Observed,
  RecordMalformed,
  RecordReference,
} from './capture/exchange.ts'
