// Answers that are not Mirage's: of a proxy, a firewall, or a log-in page in front of it.

export const html = (status, headers) => new Response(status === 204 ? null : '<h1>a gateway</h1>', {
  status, headers: { 'Content-Type': 'text/html', ...headers },
})

/** stream is an event stream that somebody else answers with. */
export const stream = (text = '') => new Response(text, { headers: { 'Content-Type': 'text/event-stream' } })
