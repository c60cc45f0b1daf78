// The page's build and its development server, which hands /api on to a running `jora gui` (its address in JORA_GUI).
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const { JORA_GUI: gui = 'http://127.0.0.1:7860' } = process.env

export default defineConfig({
  plugins: [react()],
  // The client comes from its sources, as everywhere in this repository.
  resolve: { conditions: ['@jora/source', 'browser', 'module', 'import', 'default'] },
  // The same host as `jora gui` has: cookies know hosts, not ports.
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: gui, changeOrigin: true, headers: { origin: new URL(gui).origin } } },
  },
  build: {
    target: 'es2022',
    // Nothing becomes a data: address in a script or style: the page's security policy stays simple.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
})
