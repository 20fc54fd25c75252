/**
 * Calls `stop` on SIGINT, on SIGTERM, and when the process that forked this one is gone. Until the returned function is
 * called, none of these ends the process by itself.
 */
export function onStopSignal(stop: () => void): () => void {
  const events = ['SIGINT', 'SIGTERM', 'disconnect'] as const
  for (const event of events) process.on(event, stop)
  return () => {
    for (const event of events) process.off(event, stop)
  }
}
