// Pages that need no script: the way in, and what to do when something is missing.
import type { Failure } from './failure'

const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

const page = (status: number, title: string, body: string): Response =>
  new Response(
    `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>${escape(title)} – JORA</title></head>
<body><main><h1>${escape(title)}</h1>
${body}
</main></body>
</html>
`,
    { status, headers: { 'content-type': 'text/html; charset=utf-8' } },
  )

const paragraph = (text: string): string => `<p>${escape(text)}</p>`

export const notSignedIn = (): Response =>
  page(
    401,
    'Open the address that jora gui printed',
    paragraph(
      'This browser has no session with this server. The address with the token, in the terminal where jora gui was started, opens one; it works once.',
    ) +
      paragraph(
        'Was it used already, in another browser? End jora gui with Ctrl-C and start it again: runs continue in the meantime.',
      ),
  )

export const spentToken = (): Response =>
  page(
    403,
    'This address was used already',
    paragraph(
      'Each address with a token opens one browser, once. Use the browser where it was opened; or end jora gui with Ctrl-C, start it again, and open the address that it prints: runs go on meanwhile.',
    ),
  )

export const passwordForm = (problem?: Failure): Response =>
  page(
    problem?.status ?? 401,
    'JORA',
    `${problem ? `<p role="alert">${escape(problem.message)}</p>` : ''}
<form method="post" action="/login">
<label>Password <input type="password" name="password" autocomplete="current-password" required autofocus></label>
<button>Sign in</button>
</form>`,
  )

export const notBuilt = (): Response =>
  page(
    503,
    'The page is not built',
    paragraph(
      'The server runs, and its API answers under /api; the page itself is missing. In the repository, run npm run build, then start jora gui again.',
    ),
  )

export const notFound = (): Response => page(404, 'Not found', '<p><a href="/">To the start</a></p>')
