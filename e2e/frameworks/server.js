// A server render of the three applications. It prints their HTML by their names.
import { createElement } from 'react'
import { renderToString as react } from 'react-dom/server'
import { render as svelte } from 'svelte/server'
import { createSSRApp } from 'vue'
import { renderToString as vue } from 'vue/server-renderer'
import { App as ReactApp } from './react/App.tsx'
import SvelteApp from './svelte/App.svelte'
import VueApp from './vue/App.vue'

console.log(JSON.stringify({
  react: react(createElement(ReactApp)),
  svelte: svelte(SvelteApp).body,
  vue: await vue(createSSRApp(VueApp)),
}))
