// Sizes that come from data, set through the style object: the page's security policy allows no style attributes.
import { useLayoutEffect, useRef } from 'react'

/** A ref for an element whose custom property `name` (as `--share`) is kept at `value`. */
export function useCssVar<E extends HTMLElement>(name: `--${string}`, value: string | number) {
  const element = useRef<E>(null)
  useLayoutEffect(() => element.current?.style.setProperty(name, String(value)), [name, value])
  return element
}
