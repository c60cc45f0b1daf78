// Above a long list: which of its entries are shown, and a search among them.
import { Segments } from './segments'

interface FilterBarProps<T extends string> {
  /** What the list is of, in the plural. */
  readonly of: string
  readonly names: Readonly<Record<T, string>>
  readonly shown: T
  readonly onShown: (shown: T) => void
  readonly search: string
  readonly onSearch: (search: string) => void
}

export function FilterBar<T extends string>({ of, names, shown, onShown, search, onSearch }: FilterBarProps<T>) {
  return (
    <div className="row row-between">
      <Segments
        label={`Which ${of} are shown`}
        value={shown}
        options={Object.entries<string>(names).map(([value, label]) => ({ value: value as T, label }))}
        onChange={onShown}
      />
      <input
        className="input input-search"
        type="search"
        placeholder="Search"
        aria-label={`Search ${of}`}
        value={search}
        onChange={(event) => onSearch(event.target.value)}
      />
    </div>
  )
}
