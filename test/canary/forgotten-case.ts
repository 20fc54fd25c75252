// Expected: typescript(switch-exhaustiveness-check).
export function status(code: 'full' | 'split'): number {
  switch (code) {
    case 'full':
      return 503
  }
  return 500
}
