// A question before something is lost: the browser's own dialog, which keeps the focus and gives it back.
import { useEffect, useRef, type ReactNode } from 'react'

interface ConfirmProps {
  readonly title: string
  readonly children: ReactNode
  readonly confirm: string
  readonly danger?: boolean
  readonly onConfirm: () => void
  readonly onClose: () => void
}

export function ConfirmDialog({ title, children, confirm, danger = false, onConfirm, onClose }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (!dialog.current!.open) dialog.current!.showModal()
  }, [])
  // Every way out goes through `close`, so that the focus returns to where it was.
  const leave = (answer: '' | 'confirmed') => dialog.current?.close(answer)
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby="dialog-title"
      onClose={({ currentTarget }) => (currentTarget.returnValue === 'confirmed' ? onConfirm() : onClose())}
    >
      <h2 id="dialog-title">{title}</h2>
      <div className="stack">{children}</div>
      <div className="row row-end">
        <button type="button" className="button" onClick={() => leave('')}>
          Go back
        </button>
        <button
          type="button"
          className={`button ${danger ? 'button-danger' : 'button-primary'}`}
          onClick={() => leave('confirmed')}
        >
          {confirm}
        </button>
      </div>
    </dialog>
  )
}
