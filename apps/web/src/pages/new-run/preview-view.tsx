// A sample as the model sees it, token by token, with what is learned marked; and figures of the whole file.
import { useState } from 'react'
import type { Preview, RunSettings } from '@jora/gui/client'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { compact, integer } from '../../format'
import { Notice } from '../../ui/notice'
import { Problem } from '../../ui/problem'
import { LengthBars } from './length-bars'
import { TokenText } from './token-text'

/** Settings that change what a sample looks like; the others need no new preview. */
const seen: readonly (keyof RunSettings)[] = [
  'model',
  'dataset',
  'columns',
  'promptTemplate',
  'contextTemplate',
  'maxSeqLength',
  'onOverflow',
  'packing',
  'split',
  'seed',
  'batchSize',
  'gradientAccumulationSteps',
  'numEpochs',
  'maxSteps',
  'alpacaMix',
  'alpacaMixFile',
]

export function PreviewView({ settings }: { readonly settings: RunSettings }) {
  const [index, setIndex] = useState(0)
  const key = JSON.stringify([seen.map((name) => settings[name]), index])
  const { data, error, busy, again } = useRequest(key, (signal) => api.preview(settings, index, signal), 300)
  if (error) return <Problem what="The samples could not be prepared" error={error} again={again} />
  if (data === undefined) return <p className="soft">Preparing samples from the rows …</p>
  const samples = data.statistics.train.samples
  return (
    <div className="stack" aria-busy={busy}>
      <Figures preview={data} />
      <div className="row row-between">
        <h3>What the model learns</h3>
        <span className="row">
          <span className="small soft num" aria-live="polite">
            Sample {integer(data.index + 1)} of {integer(Math.max(samples, data.index + 1))}, row {integer(data.row)}
          </span>
          <button
            type="button"
            className="button button-small"
            disabled={busy || index === 0}
            onClick={() => setIndex(index - 1)}
          >
            Previous<span className="visually-hidden"> sample</span>
          </button>
          <button
            type="button"
            className="button button-small"
            disabled={busy || index + 1 >= samples}
            onClick={() => setIndex(index + 1)}
          >
            Next<span className="visually-hidden"> sample</span>
          </button>
        </span>
      </div>
      <TokenText tokens={data.tokens} />
    </div>
  )
}

function Figures({ preview }: { readonly preview: Preview }) {
  const { statistics, lengths, packing } = preview
  const { train, heldOut } = statistics
  return (
    <>
      {statistics.dropped > 0 && (
        <Notice tone="warn" title={`${integer(statistics.dropped)} samples are too long and are left out`}>
          <p>Allow longer samples in the settings to learn from them too.</p>
        </Notice>
      )}
      {statistics.truncated > 0 && (
        <Notice tone="warn" title={`${integer(statistics.truncated)} samples are too long and are shortened`} />
      )}
      <dl className="facts">
        <div>
          <dt>Learned samples</dt>
          <dd>{integer(train.samples)}</dd>
        </div>
        <div>
          <dt>Held out</dt>
          <dd>{integer(heldOut.samples)}</dd>
        </div>
        <div>
          <dt>Tokens</dt>
          <dd>
            {compact(train.tokens)}
            {packing === 'tree' && train.separateTokens > train.tokens && (
              <span className="soft small"> of {compact(train.separateTokens)}, contexts shared</span>
            )}
          </dd>
        </div>
        <div>
          <dt>Learned tokens</dt>
          <dd>{compact(train.targetTokens)}</dd>
        </div>
        <div>
          <dt>Median, longest</dt>
          <dd>
            {integer(lengths.median)} <span className="soft">/</span> {integer(lengths.longest)}
          </dd>
        </div>
        <LengthBars lengths={lengths} />
      </dl>
    </>
  )
}
