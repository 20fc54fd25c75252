/** Nobody learns by asking what they may not see. */
import type { Filter, Span } from '@countersign/record/question'
import { fieldSpec } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { SearchError } from '../errors.ts'
import { conditionsOf } from './filter.ts'

/** @throws {SearchError} `SEARCH_MASKED` where a filter asks by a sealed field, and the reader may not see it */
export function refuseMasked(filter: Filter, unmasked: boolean): void {
  if (unmasked) return
  for (const condition of conditionsOf(filter))
    if (condition.kind !== 'words')
      refuseMaskedField(condition.field, { unmasked, at: condition.at })
}

export function refuseMaskedField(
  field: FieldName,
  { unmasked, at }: { unmasked: boolean; at?: Span },
): void {
  if (unmasked || fieldSpec(field).sealed !== true) return
  throw new SearchError(
    'SEARCH_MASKED',
    `could not ask by ${field}: it is sealed, and masked for this reader`,
    {
      ...(at === undefined ? {} : { at }),
      hint: 'say for which purpose you read, or ask as somebody who may see it',
    },
  )
}
