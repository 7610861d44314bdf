import { defineConfig } from 'vite'

// One build for the whole console. Jinja reads static/dist/manifest.json to find the hashed names.
// The floor is the old web view inside WeChat, hence the low targets.
export default defineConfig({
  root: 'assets',
  base: '/console/static/dist/',
  publicDir: false,
  css: {
    preprocessorOptions: {
      scss: { quietDeps: true, loadPaths: ['node_modules'], silenceDeprecations: ['import', 'global-builtin', 'color-functions', 'if-function'] },
    },
  },
  build: {
    outDir: '../static/dist',
    emptyOutDir: true,
    manifest: 'manifest.json',
    target: ['chrome90', 'safari15'],
    cssTarget: ['chrome90', 'safari15'],
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    assetsInlineLimit: 0,
    rollupOptions: { input: { console: 'assets/js/console.js', charts: 'assets/js/charts.js' } },
  },
})
