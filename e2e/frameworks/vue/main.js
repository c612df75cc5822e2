import { createApp, createSSRApp } from 'vue'
import App from './App.vue'

const root = document.getElementById('app')
const create = root.firstElementChild ? createSSRApp : createApp
create(App).mount(root)
