import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    alias: {
      '@platform': resolve(import.meta.dirname, 'src/platform/browser.ts'),
      '@': resolve(import.meta.dirname, 'src'),
    },
  },
  test: { include: ['tests/**/*.test.ts'] },
})
