// A picture of the last half minute: a band for the link, coloured by its transport, and
// a tick for each message.

const span = 30_000

export class Strip {
  #links = [{ at: performance.now(), kind: 'none' }]
  #messages = []

  constructor(canvas) {
    this.canvas = canvas
    setInterval(() => { if (!document.hidden) requestAnimationFrame(() => this.#draw()) }, 100)
  }

  link(kind) { if (this.#links.at(-1).kind !== kind) this.#links.push({ at: performance.now(), kind }) }
  message(kind) { this.#messages.push({ at: performance.now(), kind }) }

  #draw() {
    const { canvas } = this, now = performance.now(), style = getComputedStyle(canvas)
    const width = canvas.clientWidth, height = canvas.clientHeight
    if (!width) return

    // Only the last half minute counts.
    while (this.#links.length > 1 && this.#links[1].at < now - span) this.#links.shift()
    this.#messages = this.#messages.filter(m => m.at > now - span)

    canvas.width = width * devicePixelRatio
    canvas.height = height * devicePixelRatio
    const g = canvas.getContext('2d')
    g.scale(devicePixelRatio, devicePixelRatio)
    const x = at => Math.max(0, width - (now - at) / span * width)
    const colour = name => style.getPropertyValue('--' + name)

    this.#links.forEach(({ at, kind }, i) => {
      const from = x(at), to = x(this.#links[i + 1]?.at ?? now)
      g.fillStyle = colour(kind)
      if (kind !== 'none') return g.fillRect(from, height / 2 - 4, Math.max(1, to - from), 8)
      for (let dash = Math.ceil(from / 6) * 6; dash < to; dash += 6) g.fillRect(dash, height / 2 - 1, 3, 2)
    })

    for (const { at, kind } of this.#messages) {
      g.fillStyle = colour(kind)
      g.beginPath()
      g.roundRect(x(at) - 1.5, kind === 'up' ? height / 2 + 8 : 4, 3, height / 2 - 12, 1.5) // down above, up below
      g.fill()
    }
  }
}
