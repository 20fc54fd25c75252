/** Identity providers on loopback: an independent one, and one that does whatever a test wants it to. */
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import type { CryptoKey, JWK } from 'jose'
import { Provider } from 'oidc-provider'

export interface Issuer extends AsyncDisposable {
  readonly url: string
  /** Paths that were asked for, in order. */
  readonly asked: string[]
}

interface Listening extends Issuer {
  answer: RequestListener
}

async function listen(): Promise<Listening> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    listening.answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const listening: Listening = {
    url: `http://127.0.0.1:${port}`,
    asked,
    answer: (_request, response) => response.writeHead(404).end(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return listening
}

export interface KeyPair {
  readonly privateKey: CryptoKey
  readonly privateJwk: JWK
  readonly publicJwk: JWK
}

export async function givenKeyPair(alg: string, kid: string): Promise<KeyPair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const named = async (key: CryptoKey): Promise<JWK> => ({
    ...(await exportJWK(key)),
    kid,
    alg,
    use: 'sig',
  })
  return { privateKey, privateJwk: await named(privateKey), publicJwk: await named(publicKey) }
}

/** `oidc-provider`: issues JWT access tokens for the audience `orders` by client credentials, signed as asked by scope. */
export async function openProvider(): Promise<Issuer & { token(alg: string): Promise<string> }> {
  const listening = await listen()
  const keys = [await givenKeyPair('RS256', 'rsa'), await givenKeyPair('ES256', 'ec')]
  const provider = new Provider(listening.url, {
    jwks: { keys: keys.map((pair) => pair.privateJwk) },
    clients: [
      {
        client_id: 'billing',
        client_secret: 'a-secret-of-this-test',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    cookies: { keys: ['a-cookie-key-of-this-test'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: 'orders',
          audience: 'orders',
          accessTokenTTL: 3_600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: resource.slice(resource.lastIndexOf(':') + 1) } },
        }),
      },
    },
  })
  listening.answer = provider.callback()
  return Object.assign(listening, {
    async token(alg: string): Promise<string> {
      const response = await fetch(`${listening.url}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('billing:a-secret-of-this-test')}` },
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          resource: `urn:orders:${alg}`,
        }),
      })
      const answer: unknown = await response.json()
      const token: unknown = Reflect.get(Object(answer), 'access_token')
      if (typeof token !== 'string')
        throw new TypeError(`the provider gave no token: ${JSON.stringify(answer)}`)
      return token
    },
  })
}

/** An issuer whose documents a test writes itself. */
export interface Puppet extends Issuer {
  keys: JWK[]
  /** Replaces the answer to one path. */
  readonly answers: Map<string, RequestListener>
}

export async function openPuppet(keys: JWK[]): Promise<Puppet> {
  const listening = await listen()
  const puppet: Puppet = Object.assign(listening, {
    keys,
    answers: new Map<string, RequestListener>(),
  })
  const documents: Record<string, () => unknown> = {
    '/.well-known/openid-configuration': () => ({
      issuer: puppet.url,
      jwks_uri: `${puppet.url}/jwks`,
    }),
    '/jwks': () => ({ keys: puppet.keys }),
  }
  listening.answer = (request, response) => {
    const path = request.url ?? ''
    const special = puppet.answers.get(path)
    if (special !== undefined) return special(request, response)
    const document = documents[path]
    if (document === undefined) return response.writeHead(404).end()
    return response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify(document()))
  }
  return puppet
}

/** Signs claims; what is undefined is left out. */
export async function sign(
  pair: KeyPair,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  const protectedHeader = {
    alg: pair.publicJwk.alg ?? '',
    kid: pair.publicJwk.kid ?? '',
    ...header,
  }
  return new SignJWT(claims).setProtectedHeader(protectedHeader).sign(pair.privateKey)
}
