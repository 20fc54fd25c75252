/**
 * The only way this page makes elements. Attacker-controlled: every text in a bundle may have been chosen by someone hostile. Texts
 * become text nodes and nothing else; nothing here parses markup, and no attribute but the ones named below is ever set.
 */

type Child = Node | string

interface Attributes {
  readonly class?: string
  readonly scope?: 'col' | 'row'
  readonly colSpan?: number
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes,
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  if (attributes.class !== undefined) made.className = attributes.class
  if (attributes.scope !== undefined) made.setAttribute('scope', attributes.scope)
  if (attributes.colSpan !== undefined) made.setAttribute('colspan', String(attributes.colSpan))
  made.append(...children.map((child) => (typeof child === 'string' ? visible(child) : child)))
  return made
}

export function button(label: string, onPress: () => void): HTMLButtonElement {
  const made = element('button', {}, label)
  made.type = 'button'
  made.addEventListener('click', onPress)
  return made
}

/** Finds an element of the page's own markup. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${id}`)
}

/** What would hide or turn text around (controls, format characters, right-to-left marks) is shown by its number. */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
}
