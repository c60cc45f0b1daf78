// Where a file is dropped; the button in it does the same for keyboards and phones.
import { useRef, useState, type DragEvent } from 'react'
import { api } from '../../api/client'
import { useAction } from '../../api/use-request'
import { bytes } from '../../format'
import { announce } from '../../shell/announce'
import { useSession } from '../../shell/session'
import { Icon } from '../../ui/icon'
import { Problem } from '../../ui/problem'

export function DropZone({ onUploaded }: { readonly onUploaded: (path: string) => void }) {
  const limit = useSession().data?.uploadLimitBytes
  const { busy, error, run, clear } = useAction()
  const [over, setOver] = useState(false)
  const [name, setName] = useState('')
  const input = useRef<HTMLInputElement>(null)

  const take = (file: File | undefined) => {
    if (file === undefined) return
    setName(file.name)
    run(async () => {
      if (limit !== undefined && file.size > limit)
        throw new Error(
          `${file.name} has ${bytes(file.size)}, and ${bytes(limit)} can be uploaded. Put it into one of JORA’s folders and choose it below.`,
        )
      const { path } = await api.upload(file.name, file)
      announce(`${file.name} is uploaded.`)
      onUploaded(path)
    })
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    take(event.dataTransfer.files[0])
  }
  return (
    <>
      <div
        className={`drop ${over ? 'drop-over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <Icon name="file" />
        <div className="grow">
          <p>
            <strong>{busy ? `Uploading ${name} …` : 'Drop a file here'}</strong>
          </p>
          <p className="soft small">
            JSON, JSON Lines, CSV or Parquet: questions and answers, instructions, or chats. The format is found out by
            itself.
          </p>
        </div>
        <input
          ref={input}
          className="visually-hidden"
          type="file"
          accept=".json,.jsonl,.ndjson,.csv,.tsv,.parquet,application/json"
          aria-label="File with rows"
          tabIndex={-1}
          onChange={(event) => {
            take(event.target.files?.[0])
            event.target.value = ''
          }}
        />
        <button type="button" className="button" disabled={busy} onClick={() => input.current?.click()}>
          Choose a file
        </button>
      </div>
      {busy && <progress className="progress" aria-label={`Uploading ${name}`} />}
      {error && <Problem what="The file could not be uploaded" error={error} again={clear} />}
    </>
  )
}
