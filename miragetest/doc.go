// Package miragetest tests applications that use Mirage. [New] serves an application. Its
// visitors have browsers with cookies, their tabs have links, and the network between
// them fails when a test says so.
//
//	func TestReload(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			live := mirage.New(mirage.Options{Insecure: true})
//			tab := miragetest.New(t, live).Visitor().Tab("/live")
//			live.Send(t.Context(), tab.ID(), mirage.Text("before"))
//			tab.Reload()
//			live.Send(t.Context(), tab.ID(), mirage.Text("after"))
//			tab.Expect("message", "before")
//			tab.Expect("message", "after")
//			tab.ExpectNothing()
//		})
//	}
//
// In a bubble of testing/synctest, as here, the network is in memory, and no real time
// passes: an hour of sleep or the expiry of a session takes microseconds. Create the
// application in the bubble, too. It must not wait for anything outside, such as a
// database behind a socket, because time stands still meanwhile. Whatever a visitor does
// begins when everything before has had its effect, so tests are deterministic. Without a
// bubble, the same test runs on a port and in real time.
//
// A method that begins with Expect waits until what it expects has come, and ends the
// test if it does not come. It then says what came instead. The other methods that can
// fail end the test, too.
//
// [Proxy] is the faulty network alone, for programs and browsers that connect to a port.
package miragetest
