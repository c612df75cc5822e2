// Command id shows only Mirage's ids: it identifies visitors on every page, without
// sessions and messages.
//
//	go run ./example/id
//
// Open http://localhost:8080. The page shows your id, which stays the same when you
// reload. "Log in" and "Log out" give you another id, because an older id must be
// worthless afterwards. "Close the account" lets the validator replace it. "Forge the
// cookie" gives you a new id, not that of somebody else. "Change the key" logs nobody
// out: your cookie is signed with the new key when you load the next page.
package main

import (
	"flag"
	"log"
	"net/http"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "listen on this address")
	flag.Parse()
	s, err := newSite()
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("open http://%s", *addr)
	log.Fatal(http.ListenAndServe(*addr, s))
}
