import { svelte } from '@sveltejs/vite-plugin-svelte'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig(({ mode }) => ({
  base: '/app/',
  plugins: [svelte({ configFile: false }), vue()],
  build: {
    outDir: 'dist/' + mode,
    emptyOutDir: true,
    rollupOptions: { input: ['react/index.html', 'svelte/index.html', 'vue/index.html'] },
  },
}))
