/** A token issuer in small: an ES256 key, its JWKS over loopback HTTP, and tokens that are real JWTs. */
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { closeServer, listenLocally } from './local-server.ts'

export interface Issuer {
  /** Its `iss`, and below it the discovery document. */
  readonly url: string
  /** A token for audience `demo`. `expires` is in seconds from now; below zero it has expired already. */
  token(claims: { name: string; groups: readonly string[]; expires: number }): Promise<string>
  close(): Promise<void>
}

const KEY_ID = 'demo-1'
const LIFETIME_SECONDS = 900

export async function openIssuer(nowMs: () => number): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwks = {
    keys: [{ ...(await exportJWK(publicKey)), kid: KEY_ID, alg: 'ES256', use: 'sig' }],
  }
  let url = ''
  const server = createServer((request, response) => {
    const documents: Readonly<Record<string, unknown>> = {
      '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/jwks` },
      '/jwks': jwks,
    }
    const document = documents[request.url ?? '']
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  url = `http://127.0.0.1:${await listenLocally(server)}`
  return {
    url,
    token({ name, groups, expires }) {
      const expiresAt = Math.floor(nowMs() / 1000) + expires
      return new SignJWT({ groups })
        .setProtectedHeader({ alg: 'ES256', kid: KEY_ID, typ: 'JWT' })
        .setIssuer(url)
        .setAudience('demo')
        .setSubject(name)
        .setIssuedAt(expiresAt - LIFETIME_SECONDS)
        .setExpirationTime(expiresAt)
        .sign(privateKey)
    },
    close: () => closeServer(server),
  }
}
