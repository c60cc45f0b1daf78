// The loss curve of a run, read once it is seen; a running one grows by what the server tells.
import { useEffect, useRef, useState } from 'react'
import type { Run } from '@jora/gui/client'
import { api } from '../../api/client'
import { Sparkline } from '../../charts/sparkline'

export function LossSparkline({ run }: { readonly run: Run }) {
  const place = useRef<HTMLDivElement>(null)
  const [seen, setSeen] = useState(false)
  const [past, setPast] = useState<readonly number[]>()
  const [live, setLive] = useState<readonly number[]>([])

  useEffect(() => {
    const watcher = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) setSeen(true)
      },
      // A little before it is scrolled to.
      { rootMargin: '500px' },
    )
    watcher.observe(place.current!)
    return () => watcher.disconnect()
  }, [])

  const started = run.step > 0
  useEffect(() => {
    if (!seen || !started) return
    let current = true
    api.metrics(run.id).then(
      ({ steps }) => {
        if (!current) return
        setPast(steps.loss.filter((loss) => loss !== null))
        setLive([])
      },
      // The list works without a curve.
      () => {},
    )
    return () => {
      current = false
    }
  }, [seen, started, run.id, run.state])

  useEffect(() => {
    if (run.state === 'running' && run.loss !== null) setLive((values) => [...values.slice(-400), run.loss!])
  }, [run.state, run.step, run.loss])

  return (
    <div ref={place} className="spark-place">
      {(past !== undefined || !started) && (
        <Sparkline values={[...(past ?? []), ...live]} label={`Loss of ${run.name}`} />
      )}
    </div>
  )
}
