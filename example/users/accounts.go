package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// A user has an account.
type user struct {
	ID   int
	Name string
}

// topic returns the name of the topic that all devices of the user read. Clients cannot
// join it: the name begins with ~.
func (u user) topic() string { return "~user:" + strconv.Itoa(u.ID) }

// everybody is the table of users. A real one is a database.
var everybody = []user{{42, "Ann"}, {43, "Bob"}, {44, "Cleo"}}

func userByID(id int) (user, bool) {
	for _, u := range everybody {
		if u.ID == id {
			return u, true
		}
	}
	return user{}, false
}

// accounts knows who is logged in where. A log-in on a device is a session of scs. It has
// the user, and the mirage id that the device got for it.
type accounts struct {
	scs *scs.SessionManager

	mu     sync.Mutex
	owners map[string]int // mirage id → the user that it was given to, until the log-out
	tabs   map[string]int // mirage id → how many tabs are connected
}

func newAccounts(cookie string) *accounts {
	a := &accounts{scs: scs.New(), owners: make(map[string]int), tabs: make(map[string]int)}
	a.scs.Cookie.Name = cookie
	a.scs.Lifetime = 30 * 24 * time.Hour
	return a
}

// close ends the goroutine of scs that removes expired log-ins.
func (a *accounts) close() {
	if s, ok := a.scs.Store.(*memstore.MemStore); ok {
		s.StopCleanup()
	}
}

// user returns the user that is logged in. The request must have passed scs.
func (a *accounts) user(r *http.Request) (user, bool) {
	return userByID(a.scs.GetInt(r.Context(), "user"))
}

// login records that a device with this mirage id belongs to the user.
func (a *accounts) login(r *http.Request, u user, mirageID string) error {
	ctx := r.Context()
	if err := a.scs.RenewToken(ctx); err != nil {
		return err
	}
	a.scs.Put(ctx, "user", u.ID)
	a.scs.Put(ctx, "mirage", mirageID)
	a.scs.Put(ctx, "device", deviceName(r.UserAgent()))
	a.scs.Put(ctx, "since", time.Now().UnixMilli())

	a.mu.Lock()
	defer a.mu.Unlock()
	a.owners[mirageID] = u.ID
	return nil
}

// mayLink reports whether the device of a request may use a mirage id: one that was given
// to a user is only for the device that is still logged in.
func (a *accounts) mayLink(r *http.Request, mirageID string) bool {
	a.mu.Lock()
	owner, owned := a.owners[mirageID]
	a.mu.Unlock()
	ctx := r.Context()
	return !owned || a.scs.GetInt(ctx, "user") == owner && a.scs.GetString(ctx, "mirage") == mirageID
}

// forget forgets the owner of a mirage id.
func (a *accounts) forget(mirageID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.owners, mirageID)
}

// logoutAll logs out all devices of a user, and returns the mirage ids that were theirs.
func (a *accounts) logoutAll(ctx context.Context, u user) (mirageIDs []string, err error) {
	err = a.scs.Iterate(ctx, func(ctx context.Context) error {
		if a.scs.GetInt(ctx, "user") != u.ID {
			return nil
		}
		return a.scs.Destroy(ctx)
	})

	a.mu.Lock()
	defer a.mu.Unlock()
	for id, owner := range a.owners {
		if owner == u.ID {
			mirageIDs = append(mirageIDs, id)
			delete(a.owners, id)
		}
	}
	return mirageIDs, err
}

// A device is one on which a user is logged in.
type device struct {
	Name  string `json:"name"`
	Since int64  `json:"since"` // in milliseconds
	Here  bool   `json:"here"`  // a tab is connected
	This  bool   `json:"this"`  // it is the one that asks
}

// devices returns the devices of a user.
func (a *accounts) devices(r *http.Request, u user) ([]device, error) {
	this := a.scs.GetString(r.Context(), "mirage")
	all := []device{}
	err := a.scs.Iterate(r.Context(), func(ctx context.Context) error {
		if a.scs.GetInt(ctx, "user") != u.ID {
			return nil
		}
		id := a.scs.GetString(ctx, "mirage")
		all = append(all, device{
			a.scs.GetString(ctx, "device"), a.scs.GetInt64(ctx, "since"), a.connected(id), id == this,
		})
		return nil
	})
	return all, err
}

// count counts the tabs of a mirage id.
func (a *accounts) count(mirageID string, change int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tabs[mirageID] += change; a.tabs[mirageID] == 0 {
		delete(a.tabs, mirageID)
	}
}

func (a *accounts) connected(mirageID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tabs[mirageID] > 0
}

// deviceName returns what people call the browser, roughly.
func deviceName(agent string) string {
	first := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	browser := first("Firefox/", "Firefox", "Edg/", "Edge", "Chrome/", "Chrome", "Safari/", "Safari", "", "A browser")
	system := first("Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows",
		"Mac OS X", "a Mac", "Linux", "Linux", "", "some device")
	return browser + " on " + system
}
