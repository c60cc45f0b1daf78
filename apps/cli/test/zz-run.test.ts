import { test } from 'vitest'
import { jora } from './harness'
test('run', async () => {
  console.log((await jora(['data','raft','--help'])).out)
  const models = ['/work/main/apps/cli/assets/tiny-llama', '/work/shared/tokenizers/llama2', '/work/shared/tokenizers/llama3']
  for (const m of models) { const t=performance.now(); const r = await jora(['data','raft','--documents','/tmp/raft/docs.jsonl','--questions','/tmp/raft/q.jsonl','--model',m,'--output','/tmp/raft/out.jsonl'])
  console.log(m, r.code, r.out, r.err, performance.now()-t) }
  for (const args of [['--chunk-tokens','64'],['--chunk-tokens','64','--chunk-overlap','24'],['--chunk-tokens','64','--chunk-overlap','24','--distractors','60']]) {
  const r = await jora(['data','raft','--documents','/tmp/raft/docs.jsonl','--questions','/tmp/raft/q.jsonl','--model',models[1]!,'--output','/tmp/raft/out.jsonl',...args])
  console.log(args, r.code, r.out, r.err)}
})
