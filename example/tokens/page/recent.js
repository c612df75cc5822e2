// The conversations of this browser, the latest first.

const most = 20

const read = () => JSON.parse(localStorage.getItem('conversations') ?? '[]')

/** remember puts a conversation at the head of the list. */
export function remember(id, title) {
  const others = read().filter(c => c.id !== id)
  localStorage.setItem('conversations', JSON.stringify([{ id, title }, ...others].slice(0, most)))
}

/** listRecent fills the list with links. */
export function listRecent(list, current) {
  const links = read().map(({ id, title }) => {
    const a = Object.assign(document.createElement('a'), { href: `/c/${id}`, textContent: title })
    if (id === current) a.ariaCurrent = 'page'
    const li = document.createElement('li')
    li.append(a)
    return li
  })
  list.replaceChildren(...links)
}
