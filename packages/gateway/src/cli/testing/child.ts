/** A process for the supervisor's tests; its argument says how it behaves. */
const [behaviour] = process.argv.slice(2)

process.on('disconnect', () => process.exit(0))
process.on('message', (message: { kind: string }) => {
  if (message.kind === 'stop') {
    process.send?.({ kind: 'told', what: 'stop' })
    if (behaviour !== 'stubborn') process.exit(0)
  }
  if (message.kind === 'reload') process.exit(7)
})

if (behaviour === 'broken') process.exit(3)
process.send?.({ kind: 'ready', listening: { [behaviour ?? '']: 'http://127.0.0.1:1' } })
