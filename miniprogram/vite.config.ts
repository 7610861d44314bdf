import { resolve } from 'node:path'
import uni from '@dcloudio/vite-plugin-uni'
import { defineConfig, loadEnv, type Plugin } from 'vite'
import manifest from './src/manifest.json'
import { complain, release } from './tools/release'

process.env.CI ??= '1' // uni otherwise posts a machine id to its maker on every build

// src/platform/weixin.ts calls WeChat; src/platform/browser.ts asks the phone around the page.
const target = process.env.UNI_PLATFORM === 'mp-weixin' ? 'weixin' : 'browser'

/** Nothing is loaded from other companies' servers: uni's decorative shadow image goes out. */
const selfContained = (): Plugin => ({
  name: 'self-contained',
  enforce: 'post',
  generateBundle: {
    order: 'post',
    handler(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== 'asset' || !/\.(css|wxss)$/.test(file.fileName)) continue
        file.source = String(file.source).replace(/url\(https:\/\/cdn\.dcloud\.net\.cn[^)]*\)/g, 'none')
      }
    },
  },
})

/** A WeChat package for upload says where its server is and whose it is, or is not built at all. */
const released = (mode: string): Plugin => {
  const wanted = release({ ...loadEnv(mode, __dirname, 'VITE_'), ...process.env }, manifest['mp-weixin'].appid)
  const missing = mode === 'production' ? complain(wanted) : []
  if (missing.length) {
    console.error(`\n${missing.map((line) => `  ✗ ${line}`).join('\n')}\n`)
    process.exit(1)
  }
  return {
    name: 'released',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const project = bundle['project.config.json']
        if (project?.type !== 'asset') return
        project.source = JSON.stringify({ ...JSON.parse(String(project.source)), appid: wanted.appid }, null, 2)
      },
    },
  }
}

export default defineConfig(({ mode }) => ({
  plugins: [uni(), selfContained(), target === 'weixin' && released(mode)],
  resolve: {
    alias: { '@platform': resolve(__dirname, `src/platform/${target}.ts`), '@': resolve(__dirname, 'src') },
  },
  server: { proxy: { '/api': process.env.API ?? 'http://127.0.0.1:8000', '/m/config.json': process.env.API ?? 'http://127.0.0.1:8000' } },
}))
