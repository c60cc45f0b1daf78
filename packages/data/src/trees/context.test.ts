// Context rows: templates, segments, ids that do not depend on sharing, splits by context, statistics and packing.
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  collate,
  createTokenizer,
  describeTokens,
  loadTokenizer,
  prepareDataset,
  questionsOf,
  reach,
  separateSamples,
  splitRows,
  tokenizeRow,
  tokenizeTree,
  treeSamples,
  type ContextRow,
  type PrepareOptions,
  type Row,
  type Tokenizer,
} from '../index'

let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await loadTokenizer(join(import.meta.dirname, '../../../../apps/cli/assets/tiny-llama'))
})

const questions = [
  { question: 'Where did Ella go?', answer: 'the park' },
  { question: 'What did Max eat?', answer: 'berries' },
]
const row: ContextRow = {
  context: [{ text: 'Ella went to the park.' }, { title: 'Max', text: 'Max ate berries.' }],
  questions,
}
const options = { template: 'alpaca' } as const
const textOf = (ids: Iterable<number>) => tokenizer.decode([...ids], { skipSpecialTokens: true })

describe('templates', () => {
  const textOfRow = (change: Partial<ContextRow>, more = {}) =>
    separateSamples(tokenizeTree({ ...row, ...change }, tokenizer, { ...options, ...more })).map(({ ids }) =>
      textOf(ids),
    )
  test('documents stand between tags, the context first', () => {
    expect(textOfRow({})[1]).toBe(
      '### Context:\n<DOCUMENT>Ella went to the park.</DOCUMENT>\n<DOCUMENT>Max\nMax ate berries.</DOCUMENT>\n' +
        '\n### Question:\nWhat did Max eat?\n\n### Answer:\nberries',
    )
  })
  test('plain, as text, and without headings', () => {
    expect(textOfRow({}, { contextTemplate: 'plain' })[0]).toContain(
      'Context:\nElla went to the park.\nMax\nMax ate berries.\n\n###',
    )
    expect(textOfRow({ context: 'A table.' })[0]).toMatch(/^### Context:\nA table.\n\n### Question/)
    expect(textOfRow({ context: 'A table.' }, { template: 'none' })[0]).toBe('A table.\nWhere did Ella go?\nthe park')
  })
  test('a question may see the first documents only: then they are lines', () => {
    const first = { ...questions[0]!, documents: 1 }
    expect(textOfRow({ questions: [first, questions[1]!] })).toEqual([
      '### Context:\nElla went to the park.\n\n### Question:\nWhere did Ella go?\n\n### Answer:\nthe park',
      '### Context:\nElla went to the park.\nMax\nMax ate berries.\n\n### Question:\nWhat did Max eat?\n\n### Answer:\nberries',
    ])
  })
})

describe('trees', () => {
  test('have the ids of their separate samples, and learn answers and ends alone', () => {
    const tree = tokenizeTree(row, tokenizer, options)
    const [sample] = treeSamples(tree, 1000)
    const separate = separateSamples(tree)
    expect(sample!.branches).toHaveLength(2)
    sample!.branches!.forEach(({ start, contextLength }, i) => {
      const end = sample!.branches![i + 1]?.start ?? sample!.ids.length
      const [ids, labels] = [sample!.ids, sample!.labels].map((x) => [
        ...x.slice(0, contextLength),
        ...x.slice(start, end),
      ])
      expect(ids).toEqual([...separate[i]!.ids])
      expect(labels).toEqual([...separate[i]!.labels])
    })
    for (const { ids, labels } of separate) {
      expect(ids[0]).toBe(tokenizer.bosId)
      const learned = [...ids].filter((_, t) => labels[t] !== -100)
      expect(learned.at(-1)).toBe(tokenizer.eosId)
      expect(['the park', 'berries']).toContain(textOf(learned).trim())
    }
    expect(reach(sample!)).toBe(Math.max(...separate.map(({ ids }) => ids.length)))
  })

  test('are cut between branches where they are too long', () => {
    const many = { ...row, questions: Array.from({ length: 9 }, () => questions[0]!) }
    const tree = tokenizeTree(many, tokenizer, options)
    const limit = tree.context.length + 3 * tree.branches[0]!.ids.length
    const samples = treeSamples(tree, limit)
    expect(samples.map(({ branches }) => branches!.map(({ question }) => question))).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8],
    ])
    for (const { ids } of samples) expect(ids.length).toBe(limit)
  })

  test('give a branch positions behind its context, and no sight of its siblings', () => {
    const [sample] = treeSamples(tokenizeTree(row, tokenizer, options), 1000)
    const { packed, seqLen, labelRows, labels, targetTokens } = collate([sample!], [[0, 0]], { padId: 0 })
    const { ids, branches } = sample!
    const sees = (i: number, j: number) => {
      const [index = 0, groupStart = 0, prefixEnd = 0, branchStart = 0] = packed!.visibility.subarray(i * 4, i * 4 + 4)
      return groupStart <= j && j <= index && (j < prefixEnd || j >= branchStart)
    }
    const branchOf = (t: number) => branches!.findLastIndex(({ start }) => start <= t)
    for (const first of [0, ids.length]) {
      for (let i = 0; i < ids.length; i++) {
        const own = branchOf(i)
        const expected = own < 0 ? i : branches![own]!.contextLength + i - branches![own]!.start
        expect(packed!.positions[first + i]).toBe(expected)
        for (let j = 0; j < seqLen; j++) {
          const inRow = j >= first && j < first + ids.length
          const other = inRow ? branchOf(j - first) : -1
          expect(sees(first + i, j)).toBe(inRow && j - first <= i && (other < 0 || other === own))
        }
      }
    }
    expect(targetTokens).toBe(2 * [...sample!.labels].filter((l) => l !== -100).length)
    for (let slot = 0; slot < targetTokens; slot++) {
      const at = labelRows[slot]! % ids.length
      expect(sample!.labels[at + 1]).toBe(labels[slot])
    }
    expect(packed!.window).toBeLessThan(seqLen)
  })

  test('show their parts', () => {
    const [sample] = treeSamples(tokenizeTree(row, tokenizer, options), 1000)
    const tokens = describeTokens(sample!, tokenizer)
    const text = (part: string, branch?: number) =>
      tokens
        .filter((t) => t.part === part && t.branch === branch)
        .map((t) => t.text)
        .join('')
    expect(text('context')).toMatch(/^<s> ?### Context:\n<DOC[^]*<\/DOCUMENT>\n$/)
    expect([text('question', 1), text('answer', 1), text('end', 1)]).toEqual([
      '\n### Question:\nWhat did Max eat?\n\n### Answer:\n',
      'berries',
      '</s>',
    ])
  })
})

test('questions of rows have the ids of training up to the answer', () => {
  const asked = questionsOf(row, tokenizer, options)
  const separate = separateSamples(tokenizeTree(row, tokenizer, options))
  asked.forEach(({ context, contextLength, prompt, answers }, i) => {
    const whole = [...context.slice(0, contextLength), ...prompt]
    expect(whole).toEqual([...separate[i]!.ids].slice(0, whole.length))
    expect(separate[i]!.labels.findIndex((l) => l !== -100)).toBe(whole.length)
    expect(answers).toEqual([questions[i]!.answer])
  })
  expect(asked[0]!.context).toBe(asked[1]!.context)
  const alpaca: Row = { instruction: 'Add.', input: '1 2', output: '3' }
  const [plain] = questionsOf(alpaca, tokenizer, options)
  expect(textOf(plain!.prompt)).toMatch(/### Response:\n$/)
  expect(questionsOf({ input_ids: [1, 5], labels: [-100, 5] }, tokenizer, options)).toEqual([])
})

describe('a dataset of contexts', () => {
  const contexts = (count: number, each: number): ContextRow[] =>
    Array.from({ length: count }, (_, i) => ({
      context: [{ text: `Ella has ${i} red apples and went to the park with Max, Tom and Anna on day ${i}.` }],
      questions: Array.from({ length: each }, (_u, q) => ({ question: `Number ${q}?`, answer: `${i}` })),
      origin: { file: 'f', row: i + 1 },
    }))
  const prepare = (change: Partial<PrepareOptions> = {}) =>
    prepareDataset({
      rows: contexts(10, 6),
      tokenizer,
      template: 'alpaca',
      maxSeqLength: 400,
      onOverflow: 'error',
      seed: 1,
      split: 0.8,
      ...change,
    })

  test('is packed in trees where that pays, and counts samples, contexts and tokens', () => {
    const auto = prepare({ packing: 'auto' })
    expect(auto.packing).toBe('tree')
    expect(auto.train).toHaveLength(8)
    const none = prepare({ packing: 'none' })
    expect(none.train).toHaveLength(48)
    expect(auto.statistics).toMatchObject({ samples: 60, contexts: 10, separateTokens: none.statistics.tokens })
    expect(auto.statistics.targetTokens).toBe(none.statistics.targetTokens)
    expect(auto.statistics.tokens).toBe([...auto.train, ...auto.heldOut].reduce((n, { ids }) => n + ids.length, 0))
    expect(auto.statistics.tokens).toBeLessThan(0.6 * none.statistics.tokens)
    expect(prepare({ packing: 'auto', rows: contexts(10, 1) }).packing).toBe('none')
  })

  test('is cut, dropped or refused as separate samples are', () => {
    const long = prepare({ packing: 'none' }).train[0]!.ids.length - 1
    const answer = 'word '.repeat(30)
    const rows = contexts(4, 2).map((r, i) =>
      i === 2 ? { ...r, questions: [r.questions[0]!, { question: 'Q?', answer }] } : r,
    )
    for (const onOverflow of ['drop', 'truncate'] as const) {
      const [tree, none] = (['tree', 'none'] as const).map(
        (packing) => prepare({ rows, packing, onOverflow, maxSeqLength: long + 20 }).statistics,
      )
      expect([tree!.samples, tree!.targetTokens, tree!.dropped, tree!.truncated, tree!.separateTokens]).toEqual([
        none!.samples,
        none!.targetTokens,
        none!.dropped,
        none!.truncated,
        none!.tokens,
      ])
      expect(tree![onOverflow === 'drop' ? 'dropped' : 'truncated']).toBe(1)
    }
    expect(() => prepare({ rows, packing: 'tree', maxSeqLength: long + 20 })).toThrow(
      /^f: row 3: \d+ tokens exceed --max-seq-length/,
    )
  })

  test('is split by context, never through one', () => {
    const rows = [
      ...contexts(6, 2),
      ...contexts(6, 3),
      { instruction: 'a', input: 'same', output: 'b' },
      { instruction: 'c', input: 'same', output: 'd' },
    ]
    for (let seed = 0; seed < 20; seed++) {
      const { train, heldOut } = splitRows(rows, 0.7, seed)
      expect(train.length + heldOut.length).toBe(rows.length)
      expect(heldOut.length).toBeGreaterThanOrEqual(4)
      const keys = (list: readonly Row[]) =>
        list.map((r) => ('questions' in r ? JSON.stringify(r.context) : 'input' in r ? r.input : ''))
      expect(keys(train).filter((key) => keys(heldOut).includes(key))).toEqual([])
    }
    const fixed: Row[] = contexts(6, 1).map((r, i) => ({ ...r, split: i < 4 ? 'train' : 'test' }))
    expect(splitRows(fixed, 1, 0).heldOut).toEqual(fixed.slice(4))
  })
})

describe('chat templates', () => {
  const withTemplate = (chat_template: string) => {
    const vocab = Object.fromEntries(
      ['<unk>', '<s>', '</s>', ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)), '\n'].map(
        (token, id) => [token, id],
      ),
    )
    const added = ['<unk>', '<s>', '</s>'].map((content, id) => ({
      id,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    }))
    return createTokenizer(
      {
        model: { type: 'BPE', vocab, merges: [], unk_token: '<unk>' },
        added_tokens: added,
        decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }] },
      },
      { bos_token: '<s>', eos_token: '</s>', add_bos_token: true, chat_template },
      { name: 'test' },
    )
  }
  const simple =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
  const chat: Row = {
    messages: [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: 'three' },
      { role: 'assistant', content: 'four' },
    ],
    origin: { file: 'f', row: 3 },
  }
  const learned = (t: Tokenizer, r: Row) => {
    const { ids, labels } = tokenizeRow(r as Exclude<Row, ContextRow>, t, { template: 'chat' })
    return { text: t.decode([...ids]), learned: t.decode([...labels].filter((l) => l !== -100)) }
  }

  test('assistants’ words and their end markers are learned, one BOS stands first', () => {
    expect(learned(withTemplate(simple), chat)).toEqual({
      text: '<s>[user]one\n[assistant]two</s>\n[user]three\n[assistant]four</s>',
      learned: 'two</s>four</s>',
    })
  })
  test('EOS is added where the template ends no turn', () => {
    const bare = withTemplate(simple.replace('{{ eos_token }}', ''))
    expect(learned(bare, { instruction: 'Add', input: '1', output: '2' })).toEqual({
      text: '<s>[user]Add\n1\n[assistant]2</s>',
      learned: '2</s>',
    })
  })
  test('contexts are user messages, shared up to the question', () => {
    const t = withTemplate(simple)
    const tree = tokenizeTree(row, t, { template: 'chat', contextTemplate: 'plain' })
    expect(t.decode([...tree.context])).toBe('<s>[user]Ella went to the park.\nMax\nMax ate berries.\n')
    expect(tree.branches.map(({ ids }) => t.decode([...ids]))).toEqual([
      '\nWhere did Ella go?\n[assistant]the park</s>',
      '\nWhat did Max eat?\n[assistant]berries</s>',
    ])
  })
  test.each([
    [
      'drops the answer',
      "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}",
      'f: row 3: the chat template drops messages[1]',
    ],
    [
      'refuses',
      "{{ raise_exception('no system please') }}",
      'f: row 3: the chat template refuses the messages: no system please',
    ],
    [
      'renders turns otherwise',
      '{% for m in messages %}{{ loop.length }}{{ m.content }}{% endfor %}',
      /^f: row 3: the chat template does not begin messages\[1\]/,
    ],
    [
      'rewrites earlier turns',
      "{% for m in messages %}{% if loop.last or m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}",
      /^f: row 3: the chat template renders an answer otherwise once others follow/,
    ],
  ])('a template that %s is told with its row', (_name, template, error) => {
    expect(() => learned(withTemplate(template), chat)).toThrow(error)
  })
  test('a tokenizer without one is named', () => {
    expect(() => learned(tokenizer, chat)).toThrow(/^f: row 3: tokenizer .* has no chat template/)
  })
})
