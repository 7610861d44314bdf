/** The server answered, and the answer is no: RFC 9457 problem details. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    /** Chinese, for a person. */
    readonly detail: string,
    readonly requestId = '',
    readonly extra: Record<string, unknown> = {},
  ) {
    super(`${status} ${code}: ${detail}`)
  }
}

/** The server did not answer: it may or may not have done what was asked. */
export class Offline extends Error {}

const WORDS: Record<number, string> = {
  401: '登录过期了，请再试一次',
  403: '这里你还不能看',
  404: '没有找到，可能已经下架',
  409: '情况刚刚变了，请再看一下',
  410: '已经过期了',
  429: '点得太快了，请稍等一下',
  503: '店里有点忙，请稍后再试',
}

/** One sentence for a person, whatever went wrong. */
export function explain(error: unknown): string {
  if (error instanceof Problem) return error.detail || WORDS[error.status] || '没有成功，请再试一次'
  if (error instanceof Offline) return '网络不太稳，请再试一次'
  return '没有成功，请再试一次'
}
