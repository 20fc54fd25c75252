/** Turns a configuration into a `Policy`: everything that can be known beforehand is worked out here, once. */
import { hash } from 'node:crypto'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import type { Config } from '../config/schema.ts'
import { metadataAddresses, metadataNames } from './address-class.ts'
import { canonicalJson } from './canonical-json.ts'
import { compileEgress, decideAddresses, decideEgress } from './egress.ts'
import type { AddressDecision, AddressTarget } from './egress.ts'
import { compileInbound, decideInbound } from './inbound.ts'
import { decideTunnel } from './tunnel.ts'
import type { TunnelSight } from './tunnel.ts'
import type { Step } from './verdict.ts'

/** Why a decision is what it is: the decision itself, and each thing that was looked at, in order. */
export interface Explanation {
  readonly decision: Decision
  readonly steps: readonly Step[]
}

/** A compiled policy. Pure: no clock but the request's own `occurredNs`, no I/O, same input, same answer. */
export interface Policy {
  /** SHA-256 (hex) of everything the answers depend on. */
  readonly hash: string
  /** Inbound: host, route, permission, grant. Egress: the caller and the name, before DNS. */
  decide(actor: Actor, captured: Captured): Decision
  /** Egress after DNS: judges every address and picks the one to dial. */
  decideAddresses(decision: Decision, target: AddressTarget): AddressDecision
  /** Egress after the first bytes of a tunnel: whether it shows the name it was opened for. */
  decideTunnel(decision: Decision, sight: TunnelSight): Decision
  /** The same walk as `decide`, with every step said. */
  explain(actor: Actor, captured: Captured): Explanation
}

/** Raised when this code would answer otherwise for the same configuration: it is part of the hash. */
const engineVersion = 1

/**
 * Compiles the routes, roles, grants and egress lists of a configuration.
 * @throws {PolicyError} when it contradicts itself; `loadConfig` says the same with line and column.
 */
export function compilePolicy(config: Config): Policy {
  const policyHash = hash('sha256', canonicalJson(dependenciesOf(config)), 'hex')
  const inbound = compileInbound(config, policyHash)
  const egress = compileEgress(config, policyHash)
  const walk = (actor: Actor, captured: Captured, recorder?: Step[]): Decision => {
    const request = { actor, captured }
    return captured.direction === 'inbound'
      ? decideInbound(inbound, request, recorder)
      : decideEgress(egress, request, recorder)
  }
  return {
    hash: policyHash,
    decide: (actor, captured) => walk(actor, captured),
    decideAddresses: (decision, target) => decideAddresses(egress, decision, target),
    decideTunnel: (decision, sight) => decideTunnel(egress, decision, sight),
    explain: (actor, captured) => {
      const steps: Step[] = []
      const decision = walk(actor, captured, steps)
      return { decision, steps }
    },
  }
}

function dependenciesOf(config: Config): unknown {
  const services = Object.entries(config.services).map(([name, service]) => [
    name,
    { hosts: service.hosts, routes: service.routes, egress: service.egress },
  ])
  return {
    engineVersion,
    floor: [metadataAddresses, metadataNames],
    roles: config.roles,
    grants: config.grants,
    services: Object.fromEntries(services),
    mode: config.ledger.mode,
  }
}
