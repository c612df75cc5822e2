#!/usr/bin/env bash
# chat.sh starts the README's chat and uses it with curl alone, as docs/protocol.md shows: Ann writes, Bob reads, leaves,
# and misses nothing when he comes back. RACE=-race builds the chat with the race detector.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v curl >/dev/null; then
	echo 'talk: skipped, because curl is missing'
	[[ ${CI:-} != true ]]
	exit
fi

tmp=$(mktemp -d)
chat=
finish() {
	local status=$? running
	running=$(jobs -pr)
	if [[ -n $running ]]; then
		kill $running
		wait
	fi 2>/dev/null
	if [[ $status != 0 && -s $tmp/chat.log ]]; then
		echo 'talk: the log of the chat:'
		tail -n 30 "$tmp/chat.log"
	fi
	rm -rf "$tmp"
	exit "$status"
}
trap finish EXIT

fail() { # fail WHAT [FILE]: FILE has what came instead
	echo "talk: FAILED: $1" >&2
	if [[ -f ${2:-} ]]; then head -c 2000 "$2" >&2; fi
	exit 1
}

await() { # await WHAT COMMAND...: waits until the command succeeds, at most 15 seconds
	local what=$1 end=$((SECONDS + 15))
	shift
	until "$@"; do
		((SECONDS < end)) || fail "waited in vain for $what" "${!#}"
		sleep 0.05
	done
}

as() { # as JAR ARGUMENT...: runs curl as the person whose cookies are in JAR
	local jar=$tmp/$1
	shift
	curl -sS --noproxy '*' --max-time 60 -b "$jar" -c "$jar" "$@"
}

read_live() { # read_live JAR QUERY ARGUMENT...: reads a stream, or with _wait=1 a long-poll
	as "$1" -N -H 'Accept: text/event-stream' "${@:3}" "$url/live$2"
}

post() { # post JAR TEXT
	local code
	code=$(as "$1" -H 'Content-Type: text/plain' --data-binary "$2" -o "$tmp/post" -w '%{http_code}' "$url/live")
	[[ $code == 2?? ]] || fail "POST /live answered $code" "$tmp/post"
}

hello_first() { # hello_first FILE: succeeds if the first block is complete, and an event "mirage"
	[[ -f $1 ]] && awk '/^$/ { whole = 1; exit } /^event: mirage$/ { hello = 1 } END { exit !(whole && hello) }' "$1"
}

id_in() { sed -n '/^data: {/{s/.*"id":"\([^"]*\)".*/\1/p;q;}' "$1"; } # prints the mirage id in the hello
position_in() { sed -n 's/^id: //p' "$1" | tail -n 1; }                # prints the last position in FILE
said() { # said TEXT FILE: prints how often TEXT came as a new message; messages from before are "event: past"
	awk -v RS= -v text="$1" '/(^|\n)event: say\n/ && index($0, text) { n++ } END { print n + 0 }' "$2"
}
arrived() { [[ $(said "$1" "$2") -gt 0 ]]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

go build ${RACE:-} -o "$tmp/chat" ./example/chat

port=$((20000 + RANDOM % 12000))
while (: <"/dev/tcp/localhost/$port") 2>/dev/null; do port=$((20000 + RANDOM % 12000)); done
: >"$tmp/chat.log"
set -m # so that the chat does not inherit an ignored SIGINT
"$tmp/chat" -addr "localhost:$port" >"$tmp/chat.log" 2>&1 &
chat=$!
set +m
listening() { gone "$chat" || grep -q "http://[^ ]*:$port" "$tmp/chat.log"; }
await 'the line with the URL' listening
gone "$chat" && fail 'the chat ended at once'
url=$(grep -m 1 -o "http://[a-z0-9.]*:$port" "$tmp/chat.log")

# The page.
head=$(as ann -H 'Accept: text/html' -o "$tmp/page" -w '%{http_code} %{content_type}' "$url/")
[[ $head == '200 text/html'* ]] || fail "GET / answered $head" "$tmp/page"

head=$(as ann -o "$tmp/script" -w '%{http_code} %{content_type}' "$url/live/mirage.js")
[[ $head == '200 text/javascript'* ]] || fail "GET /live/mirage.js answered $head" "$tmp/script"

# Both get an id by a long-poll: it ends, so curl saves the cookie. A stream with that cookie has the same id.
read_live ann '?_wait=1' -o "$tmp/ann.poll"
read_live bob '?_wait=1' -o "$tmp/bob.poll"
hello_first "$tmp/bob.poll" || fail 'the long-poll does not begin with hello' "$tmp/bob.poll"
read_live ann '' -o "$tmp/ann.stream" &
read_live bob '' -o "$tmp/bob.stream" &
bob=$!
await "Ann's hello" hello_first "$tmp/ann.stream"
await "Bob's hello" hello_first "$tmp/bob.stream"
id=$(id_in "$tmp/bob.stream")
[[ -n $id && $id == "$(id_in "$tmp/bob.poll")" ]] || fail 'the cookie did not keep the id' "$tmp/bob.stream"
[[ $id != "$(id_in "$tmp/ann.stream")" ]] || fail 'Ann and Bob have the same id' "$tmp/ann.stream"

# A message arrives. One that Bob missed arrives when he comes back by long-poll, with his last position.
post ann 'first of Ann'
await "Ann's message at Bob's" arrived 'first of Ann' "$tmp/bob.stream"
position=$(position_in "$tmp/bob.stream")
kill "$bob"
wait "$bob" 2>/dev/null || true
post ann 'second of Ann'
read_live bob '?_wait=1' -H "Last-Event-ID: $position" -o "$tmp/bob.back"
[[ $(said 'second of Ann' "$tmp/bob.back") == 1 ]] || fail 'Bob came back and missed a message' "$tmp/bob.back"
[[ $(said 'first of Ann' "$tmp/bob.back") == 0 ]] || fail 'Bob came back and got a message twice' "$tmp/bob.back"

# The chat stops while Ann is still connected.
kill -INT "$chat"
await 'the chat to stop' gone "$chat"
status=0
wait "$chat" || status=$?
[[ $status == 0 ]] || fail "after SIGINT the chat exited with $status"
echo "talk: page, streams, messages, coming back, SIGINT: ok"
