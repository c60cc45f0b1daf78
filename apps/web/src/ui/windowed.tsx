// A list of thousands: its rows are there only near where one looks, groups of empty space stand for the others.
import { useEffect, useRef, useState, type ReactNode, type RefObject } from 'react'

interface WindowedProps<T> {
  readonly label: string
  readonly items: readonly T[]
  /** The rows, as `li`. */
  readonly row: (item: T) => ReactNode
  /** About how high a row is, in pixels: rows that were not seen yet take so much room. */
  readonly rowHeight: number
}

const rowsOfGroup = 20

export function Windowed<T>({ label, items, row, rowHeight }: WindowedProps<T>) {
  const root = useRef<HTMLDivElement>(null)
  const groups = Array.from({ length: Math.ceil(items.length / rowsOfGroup) }, (_, n) =>
    items.slice(n * rowsOfGroup, (n + 1) * rowsOfGroup),
  )
  return (
    <div ref={root} className="windowed" role="region" aria-label={label} tabIndex={0}>
      {groups.map((group, n) => (
        <Group key={n} root={root} first={n === 0} height={group.length * rowHeight}>
          {() => group.map(row)}
        </Group>
      ))}
    </div>
  )
}

interface GroupProps {
  readonly root: RefObject<HTMLDivElement | null>
  readonly first: boolean
  readonly height: number
  readonly children: () => ReactNode
}

function Group({ root, first, height, children }: GroupProps) {
  const own = useRef<HTMLUListElement>(null)
  const [near, setNear] = useState(first)
  const [measured, setMeasured] = useState<number>()
  useEffect(() => {
    const element = own.current
    if (element === null) return
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry === undefined) return
        // How high it is with its rows, for when they are taken away.
        if (!entry.isIntersecting && element.childElementCount > 0) setMeasured(element.offsetHeight)
        setNear(entry.isIntersecting)
      },
      { root: root.current, rootMargin: '600px 0px' },
    )
    observer.observe(element)
    return () => observer.disconnect()
  }, [root])
  return (
    <ul ref={own} {...(near ? {} : { style: { height: measured ?? height }, 'aria-hidden': true })}>
      {near && children()}
    </ul>
  )
}
