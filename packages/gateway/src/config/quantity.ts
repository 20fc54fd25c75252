/** Amounts with a unit in their value, as the file writes them: `15 s`, `4 MiB`. */
import { z } from 'zod'

/** Units by which the reference and `config check` write milliseconds and bytes back. */
export const quantityUnits: Readonly<Record<'ms' | 'B', Readonly<Record<string, number>>>> = {
  ms: { days: 86_400_000, h: 3_600_000, min: 60_000, s: 1000, ms: 1 },
  B: { GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024, B: 1 },
}

function quantity(unit: 'ms' | 'B', example: string): z.ZodType<number, string> {
  const units: Readonly<Record<string, number>> =
    unit === 'ms' ? { ...quantityUnits.ms, day: quantityUnits.ms['days'] ?? 0 } : quantityUnits.B
  const names = Object.keys(units).join('|')
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?) ?(${names})$`)
  return z
    .string()
    .regex(
      pattern,
      `expected a number and a unit (${names.replaceAll('|', ', ')}), for example '${example}'`,
    )
    .transform((text) => {
      const [, amount, written] = pattern.exec(text) ?? []
      return Math.round(Number(amount) * (units[written ?? ''] ?? Number.NaN))
    })
    .meta({ unit, examples: [example] })
}
/** A length of time, in milliseconds once read. */
export const duration = (example: string): z.ZodType<number, string> => quantity('ms', example)
/** A size, in bytes once read. */
export const bytes = (example: string): z.ZodType<number, string> => quantity('B', example)
