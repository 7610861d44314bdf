/** What the WeChat package has to be told before it is built: where the server is, and whose package it is. */

export interface Release { apiBase: string; appid: string }

const EXAMPLE = 'https://shop.example.com'

export function release(env: Record<string, string | undefined>, manifestAppid: string): Release {
  return { apiBase: env.VITE_API_BASE?.trim() ?? '', appid: env.VITE_APPID?.trim() || manifestAppid.trim() }
}

/** One line for each thing that is missing; a package without them is built, uploaded and cannot work. */
export function complain({ apiBase, appid }: Release): string[] {
  const lines: string[] = []
  if (!/^https:\/\/[^/\s]+(\/\S*[^/\s])?$/.test(apiBase) || apiBase === EXAMPLE) {
    lines.push(`VITE_API_BASE 要填服务器的 https 地址，末尾不带斜杠，现在是「${apiBase}」 / VITE_API_BASE must be the server's https address without a slash at the end, it is "${apiBase}"`)
  }
  if (!/^wx[0-9a-z]{16}$/.test(appid)) {
    lines.push(`小程序的 appid 没填（VITE_APPID，或 src/manifest.json 里 mp-weixin 的 appid），现在是「${appid}」 / the mini-program's appid is missing (VITE_APPID, or mp-weixin's appid in src/manifest.json), it is "${appid}"`)
  }
  if (lines.length) lines.push('写进 miniprogram/.env（样子见 .env.example），或者在仓库根目录 make miniprogram API_BASE=https://… APPID=wx… / put them into miniprogram/.env, or run that make command in the repository')
  return lines
}
