// Command id shows Mirage's ids alone: who is there, on every page, without sessions and
// without messages.
//
//	go run ./example/id
//
// Open http://localhost:8080. The page shows your id and keeps it over refreshes.
// "Log in" and "Log out" give you another one, because an id from before must be worth
// nothing after. "Close the account" lets the validator replace it. "Forge the cookie"
// makes you somebody new, and nobody else. "Change the key" throws nobody out: your
// cookie follows to the new key with the next page.
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
