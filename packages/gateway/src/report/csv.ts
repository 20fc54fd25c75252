/** CSV (RFC 4180) that no spreadsheet runs. Attacker-controlled: any value may be a formula, or try to end its cell. */

/** What spreadsheets take for the beginning of a formula. @see OWASP, CSV injection */
const FORMULA = /^[=+\-@\t\r]/

/**
 * One line, with CR LF at its end. Every value is quoted; a text that could be a formula begins with an apostrophe, which spreadsheets
 * take for "text".
 */
export function csvLine(values: readonly (string | number | boolean | undefined)[]): string {
  return `${values.map(cell).join(',')}\r\n`
}

function cell(value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  if (typeof value !== 'string') return String(value)
  const safe = FORMULA.test(value) ? `'${value}` : value
  return `"${safe.replaceAll('"', '""')}"`
}
