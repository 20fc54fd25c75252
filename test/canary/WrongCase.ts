// Expected: unicorn(filename-case).
export const name = 'WrongCase'
