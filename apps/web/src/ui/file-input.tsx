// Choosing files: a place to drop them, and a button that does the same for keyboards and phones.
import { useRef, useState, type DragEvent, type ReactNode } from 'react'
import { Icon, type IconName } from './icon'

interface DropPlaceProps {
  readonly icon: IconName
  readonly title: string
  readonly about: string
  readonly onDrop: (data: DataTransfer) => void
  readonly children: ReactNode
}

export function DropPlace({ icon, title, about, onDrop, children }: DropPlaceProps) {
  const [over, setOver] = useState(false)
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    onDrop(event.dataTransfer)
  }
  return (
    <div
      className={`drop ${over ? 'drop-over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <Icon name={icon} />
      <div className="grow">
        <p>
          <strong>{title}</strong>
        </p>
        <p className="soft small">{about}</p>
      </div>
      {children}
    </div>
  )
}

interface FileButtonProps {
  /** What the button says. */
  readonly children: ReactNode
  /** What is chosen, for those who hear it. */
  readonly label: string
  readonly accept?: string
  /** Several files, or a whole folder. */
  readonly many?: 'files' | 'folder'
  /** How the button looks, beside `button`. */
  readonly look?: string
  readonly disabled?: boolean
  readonly onFiles: (files: readonly File[]) => void
}

export function FileButton({ children, label, accept, many, look = '', disabled, onFiles }: FileButtonProps) {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <input
        ref={input}
        className="visually-hidden"
        type="file"
        accept={accept}
        multiple={many !== undefined}
        {...(many === 'folder' && { webkitdirectory: '' })}
        aria-label={label}
        tabIndex={-1}
        onChange={(event) => {
          // The list is emptied with the field, so that the same file can be chosen again.
          onFiles([...(event.target.files ?? [])])
          event.target.value = ''
        }}
      />
      <button type="button" className={`button ${look}`} disabled={disabled} onClick={() => input.current?.click()}>
        {children}
      </button>
    </>
  )
}
