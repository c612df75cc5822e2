import { useEffect, useState } from 'react'
import { useMirage, useMirageEvent, useMirageState } from 'mirage-client/react'
import { Chat as Manual } from '../docs/Chat.tsx'
import { moduleClient, onReplace } from '../module.ts'
import { adopt, begin, expose, note, transports, type Down, type Live, type Up, type View, type Where } from '../page.ts'

/** The application's own hook: it says once where the server is and which events there are. */
const useLive = (url: string, mark: string) => useMirage<Down, Up>(url, { transports, query: () => ({ mark }) })

function Chat({ url = '/live', mark = '', where = 'got' }: { url?: string; mark?: string; where?: Where }) {
  const client = useLive(url, mark)
  const [text, setText] = useState('')
  useMirageEvent(client, 'message', (data, e) => note(where, data, e, mark))
  useMirageEvent(client, 'chat', chat => setText(chat.text))
  useEffect(() => adopt(client), [client])
  return <p><Status client={client} /> <q>{text}</q></p>
}

function Status({ client }: { client: Live }) {
  const { state, stalled, transport } = useMirageState(client)
  return <output>{state} {stalled} {transport}</output>
}

function OfModule() {
  const [client, setClient] = useState(moduleClient)
  useEffect(() => onReplace(() => setClient(moduleClient())), [])
  return <p><Status client={client} /></p>
}

export function App() {
  const [{ view, mark }, setShown] = useState({ view: begin(), mark: '' })
  useEffect(() => expose((view: View, mark = '') => setShown({ view, mark })), [])
  return <>
    <h1>{view}</h1>
    {(view === 'first' || view === 'both') && <Chat mark={mark} />}
    {view === 'second' && <section><Chat /></section>}
    {view === 'both' && <Chat where="copy" mark="copy" />}
    {view === 'room' && <Chat where="room" url={'/live?room=' + mark} />}
    {view === 'module' && <OfModule />}
    {view === 'manual' && <Manual />}
  </>
}
