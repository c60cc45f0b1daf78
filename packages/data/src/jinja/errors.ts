// What goes wrong in a template: it is none, it does what it cannot, or it refuses its input.

/** The source is no Jinja. */
export class TemplateSyntaxError extends Error {
  override readonly name: string = 'TemplateSyntaxError'
  constructor(problem: string, line: number) {
    super(`line ${line}: ${problem}`)
  }
}

/** The template did what its values do not allow, as Jinja's own and Python's errors say it. */
export class TemplateRuntimeError extends Error {
  override readonly name: string = 'TemplateRuntimeError'
}

/** The template called `raise_exception`: the message is its own. */
export class TemplateRefusal extends TemplateRuntimeError {
  override readonly name: string = 'TemplateRefusal'
}
