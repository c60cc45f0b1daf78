// Where a file is dropped; the button in it does the same for keyboards and phones.
import { useState } from 'react'
import { api } from '../../api/client'
import { useAction } from '../../api/use-request'
import { bytes } from '../../format'
import { announce } from '../../shell/announce'
import { useSession } from '../../shell/session'
import { DropPlace, FileButton } from '../../ui/file-input'
import { Problem } from '../../ui/problem'

export function DropZone({ onUploaded }: { readonly onUploaded: (path: string) => void }) {
  const limit = useSession().data?.uploadLimitBytes
  const { busy, error, run, clear } = useAction()
  const [name, setName] = useState('')

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
  return (
    <>
      <DropPlace
        icon="file"
        title={busy ? `Uploading ${name} …` : 'Drop a file here'}
        about="JSON, JSON Lines, CSV or Parquet: questions and answers, instructions, or chats. The format is found out by itself."
        onDrop={({ files }) => take(files[0])}
      >
        <FileButton
          label="File with rows"
          accept=".json,.jsonl,.ndjson,.csv,.tsv,.parquet,application/json"
          disabled={busy}
          onFiles={([file]) => take(file)}
        >
          Choose a file
        </FileButton>
      </DropPlace>
      {busy && <progress className="progress" aria-label={`Uploading ${name}`} />}
      {error && <Problem what="The file could not be uploaded" error={error} again={clear} />}
    </>
  )
}
