// The page shows the numbers of the topic "board", which retains the last ones.

import Mirage from '/live/mirage.js'

const $ = id => document.getElementById(id)
const number = n => n.toLocaleString('en')

const client = new Mirage('/live')
$('command').textContent = `go run ./example/worker -work ${location.origin}/work -state one.json`

const board = client.join('board', { from: 'start' })
board.on('numbers', ({ done, given, waiting, workers }) => {
  Object.entries({ done, given, waiting }).forEach(([id, n]) => { $(id).textContent = number(n) })
  $('progress').max = done + given + waiting || 1
  $('progress').value = done
  document.querySelector('main').ariaBusy = 'false'

  document.querySelector('table').hidden = !workers?.length
  $('empty').hidden = workers?.length > 0
  $('workers').replaceChildren(...(workers ?? []).map(worker => {
    const row = document.createElement('tr')
    const name = Object.assign(document.createElement('th'), { scope: 'row', textContent: worker.name })
    row.append(name, ...[worker.given, worker.done].map(n => {
      return Object.assign(document.createElement('td'), { textContent: number(n) })
    }))
    return row
  }))
})

$('order').addEventListener('submit', async event => {
  event.preventDefault()
  try {
    await client.emit('order', 100)
    $('notice').textContent = ''
  } catch {
    $('notice').textContent = 'The server has not taken the jobs.'
  }
})

client.on('mirage-state', ({ state }) => {
  $('link').textContent = state === 'open' ? '' : 'Not connected'
})
