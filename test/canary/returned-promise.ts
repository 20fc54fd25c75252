// Expected: typescript(return-await). The catch below would never see the rejection.
async function append(): Promise<number> {
  return 1
}

export async function place(): Promise<number> {
  try {
    return append()
  } catch {
    return -1
  }
}
