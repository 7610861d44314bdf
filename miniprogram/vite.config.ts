import { resolve } from 'node:path'
import uni from '@dcloudio/vite-plugin-uni'
import { defineConfig, type Plugin } from 'vite'

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

export default defineConfig({
  plugins: [uni(), selfContained()],
  resolve: {
    alias: { '@platform': resolve(__dirname, `src/platform/${target}.ts`), '@': resolve(__dirname, 'src') },
  },
  server: { proxy: { '/api': process.env.API ?? 'http://127.0.0.1:8000', '/m/config.json': process.env.API ?? 'http://127.0.0.1:8000' } },
})
