/** The door of `demo`: a small world around a gateway, and the traffic that shows what the gateway does with it. */
export { demoConfig } from './demo/configuration.ts'
export { openIssuer } from './demo/issuer.ts'
export type { Issuer } from './demo/issuer.ts'
export { scenes } from './demo/scenes.ts'
export type { DemoCredentials, Scene } from './demo/scenes.ts'
export { openDemoServices } from './demo/services.ts'
export type { DemoServices } from './demo/services.ts'
