// What a push is told, what it tells on the way, and what comes of it.
import type { hubClient } from '@jora/llama'
import type { HashEvent } from './repository'
import type { LeftOut } from './select-files'

interface PushTarget extends hubClient.SettingsOptions {
  /** `user/name` or `organization/name`. */
  readonly repo: string
  /** Whether a repository that is made here is private; true when absent. One that is there stays as it is. */
  readonly private?: boolean | undefined
  /** Branch; `main` when absent. Made, off `main`, where it is not there. With a pull request: the branch it is for. */
  readonly revision?: string | undefined
  readonly commitMessage?: string | undefined
  /** Opens a pull request instead of changing the branch. */
  readonly createPullRequest?: boolean | undefined
  /** Text of a README.md, used where neither folder nor repository has one. */
  readonly card?: string | undefined
  /** Reports what would be done, and changes nothing; works offline too. */
  readonly dryRun?: boolean | undefined
  /** Bytes of a commit at most, where a file is not larger; 10 GB when absent. */
  readonly maxCommitBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((event: PushEvent) => void) | undefined
  /** First pause between tries in ms, doubling after; for tests. */
  readonly backoffMs?: number | undefined
}

/** What {@link pushToHub} sends, and where to. */
export type PushOptions = PushTarget &
  (
    | {
        /** Folder of an adapter, a model or GGUF files. What else it holds stays where it is. */
        readonly folder: string
      }
    | {
        /** Files, each under its own name. */
        readonly files: readonly string[]
      }
  )

/** What a push will do, before anything is sent. */
export interface PlanEvent {
  readonly type: 'plan'
  readonly plan: PushResult
}

/** Progress of the files that are sent. */
export interface SentEvent {
  readonly type: 'sent'
  readonly file: string
  /** Of all files that are to be sent; it goes back when a part is sent again. */
  readonly sentBytes: number
  readonly totalBytes: number
}

/** A commit was made. */
export interface CommitEvent {
  readonly type: 'commit'
  /** The files that now are in the repository. */
  readonly files: readonly string[]
  /** Page of the pull request, where one was opened. */
  readonly pullRequestUrl?: string | undefined
}

/** What a push reports as it goes on. */
export type PushEvent = PlanEvent | HashEvent | SentEvent | CommitEvent

/** A file of a push. */
export interface PushedFile {
  readonly name: string
  readonly bytes: number
  /** The repository had it, with the same content, before. */
  readonly there: boolean
}

/** What was pushed, or would be. */
export interface PushResult {
  readonly repo: string
  /** Page of what was pushed: the repository, its branch, or the pull request. */
  readonly url: string
  readonly revision: string
  /** Absent where a dry run could not look. */
  readonly visibility: 'private' | 'public' | undefined
  /** The repository is new. */
  readonly created: boolean
  readonly dryRun: boolean
  /** Why a dry run could not look at the Hub. */
  readonly notLooked?: string | undefined
  /** In the order they are sent. */
  readonly files: readonly PushedFile[]
  readonly leftOut: readonly LeftOut[]
  /** What to know before others read it. */
  readonly notes: readonly string[]
  /** Hashes of the commits that were made. */
  readonly commits: readonly string[]
}
