package transport_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/test/npm"
	"github.com/mirage-go/mirage/session"
)

// plainNode is a page's few lines without mirage.js: it says hello once it has its own,
// and prints what comes until it has its message back twice, as text and as bytes. It
// ends the link, and comes back with its position.
const plainNode = `
const [url, cookie] = process.argv.slice(1)
let position = '', got = 0
const open = () => {
  const ws = new WebSocket(url + '?_pos=' + position, { headers: { cookie } })
  ws.onmessage = ({ data }) => {
    for (const block of data.split('\n\n')) {
      const field = name => (block.match(new RegExp('^' + name + ': (.*)$', 'm')) || [])[1]
      position = field('id') || position
      if (field('event') === 'mirage') {
        console.log('resumed', JSON.parse(field('data')).resumed)
        ws.send(got ? new Uint8Array([0, 255]) : 'hello')
      } else if (field('data')) {
        console.log(field('encoding') || 'text', field('data'))
        if (++got === 1) ws.close(1000)
        else process.exit(0)
      }
    }
  }
  ws.onclose = ({ code }) => { console.log('closed', code); open() }
}
open()
setTimeout(() => process.exit(1), 20000)
`

// W2: another engine's WebSocket (undici's, which is Node's) is a plain client: text,
// bytes, a close frame, and back with the position.
func TestW2PlainNode(t *testing.T) {
	node := npm.Node(t)
	flags := []string{"--no-warnings", "--experimental-websocket"} // the latter is the default from 22 on
	s := started(t, setup{session: session.Options{}})
	args := append(flags, "-e", plainNode, strings.Replace(s.url(), "http", "ws", 1), s.cookie("ann"))
	out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput()
	printed := string(out)
	if want := "resumed false\ntext hello\nclosed 1000\nresumed true\nbase64 AP8=\n"; err != nil || printed != want {
		t.Errorf("%v, printed %q, want %q", err, printed, want)
	}
	if calls := s.calls.calls("ann"); len(calls) != 2 || calls[0] != "hello" || calls[1] != "\x00\xff" {
		t.Errorf("the application was called with %q", calls)
	}
}
