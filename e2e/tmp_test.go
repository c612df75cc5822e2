package e2e
import ("testing";"time";"fmt")
func TestTmpAway(t *testing.T) {
	browser := startBrowser(t)
	chat := startChat(t)
	ann, bob := openTab(t, browser, "ann", chat.url), openTab(t, browser, "bob", chat.url)
	for _, p := range []*tab{ann,bob} { p.untilState("open"); p.until("a name", `document.getElementById('name').value !== ''`) }
	bob.use("poll")
	bob.until("poll", `document.body.dataset.transport === 'poll' && document.body.dataset.state === 'open'`)
	bob.click("away")
	bob.untilState("away")
	bob.say("kept")
	start := time.Now()
	for i := range 8 { ann.say(fmt.Sprint("m ", i)); time.Sleep(time.Second) }
	bob.untilState("open")
	t.Log("back after", time.Since(start))
	ann.untilShows(9); bob.untilShows(9)
	time.Sleep(1500*time.Millisecond)
	t.Log(get[string](bob, `document.body.innerText`))
	t.Log(get[string](ann, `document.getElementById('people').innerText`))
	ann.until("two", `document.querySelectorAll('#people li').length === 2`)
	ann.until("strangers none", `true`)
	chat.stop()
}
