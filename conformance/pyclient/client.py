"""A client for Mirage in Python, without dependencies, written by docs/protocol.md alone.

It reads a stream, sends each message in a POST of its own, and keeps its signed id itself,
without cookies. It does all of the checklist but topics.
"""
import contextlib, http.client, json, random, secrets, socket, threading, time, urllib.parse

from outbox import Outbox
from wire import Refused, ask, is_newer, read_blocks, read_payload


class Client:
    """Calls tell(event, **more) for what happens. kept is that of an earlier client, or None."""

    def __init__(self, url, tell, kept=None):
        self.url, self.tell, self.state, self.acked = urllib.parse.urlsplit(url), tell, "idle", ""
        self.kept = kept or {"signed": "", "id": "", "position": "", "queue": []}
        self.cid, self.token, self.sock = secrets.token_urlsafe(16), None, None
        self.outbox = Outbox(self.cid, self.kept["queue"], tell)
        self.news = threading.Condition()  # guards the fields, and tells that they have changed
        for run in self.read, self.write:
            threading.Thread(target=run, daemon=True).start()

    def move(self, state, **more):
        """Changes the state: connecting, open, waiting, idle (disconnected) or closed."""
        with self.news:
            if self.state != "closed":
                self.state = state
                self.tell("state", state=state, **more)
            if state != "open": self.end_link()
            self.news.notify_all()

    def end_link(self):
        self.token = None
        with contextlib.suppress(AttributeError, OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # the other thread may be reading

    def send(self, data, event="", ref=0):
        """Queues text, or bytes. The server handles it once and in order."""
        with self.news:
            self.outbox.add(data, event, ref)
            self.news.notify_all()

    def close(self):
        with self.news: self.news.wait_for(lambda: not self.kept["queue"], 5)
        if self.token: self.request("DELETE", self.token)
        self.move("closed")

    def request(self, method, token=None, query={}, body=None):
        """Returns the answer. Raises Refused, or OSError and others if the network fails."""
        def connected(sock):
            if method == "GET": self.sock = sock

        query = {"_cid": self.cid, "_mirage": self.kept["signed"], **query}
        return ask(self.url, method, token, query, body, connected)

    def delay(self, failures, asked):
        """What the server asks for counts. Otherwise the delay is random, and grows."""
        return random.uniform(0, 0.25 * 2 ** min(failures, 6)) if asked is None else asked

    def read(self):  # a thread
        failures = 0
        while self.state != "closed":
            with self.news: self.news.wait_for(lambda: self.state != "idle")
            began, self.asked = time.monotonic(), None
            try:
                for fields in read_blocks(self.request("GET", query={"_pos": self.kept["position"]})):
                    with self.news:
                        if self.state in ("idle", "closed"): break
                        self.take(fields)
            except Refused as no:
                if no.final or no.status in (405, 413, 415): self.move("closed", status=no.status)
                self.asked = no.asked
            except (OSError, ValueError, http.client.HTTPException): pass  # the network has failed
            with self.news:
                failures = 0 if time.monotonic() - began > 10 else failures + 1
                if self.state not in ("idle", "closed"): self.move("waiting")
                self.news.wait_for(lambda: self.state in ("idle", "closed"), self.delay(failures, self.asked))

    def take(self, fields):
        event, position = fields.get("event", ""), fields.get("id", "")
        data = json.loads(fields["data"]) if event.startswith("mirage") else None
        if event == "mirage": self.greet(data, position.partition("_")[0])
        elif event == "mirage-gap": self.lose(data, data["reason"], position)
        elif event == "mirage-ack": self.outbox.accept(self.cid, data["accepted"])
        elif event == "mirage-drain": self.asked = data["retry"] / 1000
        elif event == "mirage-end": self.move("closed", status=data["status"])
        elif data is None and position[:1] not in ("", "_") and self.is_new(position):
            if "data" in fields: self.tell("message", name=event, data=read_payload(fields))
            self.kept["position"] = position  # the message has been delivered
        self.news.notify_all()

    def is_new(self, position):
        return is_newer(position, self.kept["position"])

    def lose(self, lost, reason, position):
        self.tell("gap", **{"from": lost["from"], "to": lost["to"] or 0, "reason": reason})
        self.kept["position"] = position

    def greet(self, hello, position):
        kept, outbox = self.kept, self.outbox
        if kept["id"] not in ("", hello["id"], hello["previous"]):
            outbox.drop(list(outbox.queue), "rejected", status=409)  # written as somebody else
        outbox.accept(self.cid, hello["accepted"])
        if not hello["resumed"]: outbox.mark()
        if hello["lost"] and hello["reason"] != "trimmed":  # otherwise a gap follows
            self.lose(hello["lost"], hello["reason"], position)
        elif self.is_new(position) if hello["resumed"] else hello["reason"] != "trimmed":
            kept["position"] = position
        kept["id"], kept["signed"], self.token = hello["id"], hello["mirage"] or kept["signed"], hello["link"]
        self.sock.settimeout(hello["heartbeat"] / 500 + 5 if hello["heartbeat"] else None)
        self.move("open", transport="sse")

    def ack(self):
        return self.kept["position"]

    def is_due(self):
        return self.outbox.queue or self.ack() != self.acked

    def write(self):  # a thread: one POST at a time
        failures, outbox = 0, self.outbox
        while True:
            with self.news:
                self.news.wait_for(lambda: self.state == "closed" or self.token and self.is_due())
                if self.state == "closed": return
                token, ack = self.token, self.ack()
                batch, writer, body = outbox.next(ack)
            asked, failures = None, failures + 1
            try:
                answer = json.load(self.request("POST", token, body=body))
                with self.news:
                    self.acked, failures, failed = ack, 0, answer.get("failed", ())
                    outbox.drop([m for m in batch if m["number"] in failed], "rejected", status=500)
                    outbox.accept(writer, answer["accepted"])
                    self.news.notify_all()
                    continue
            except Refused as no:
                asked = no.asked
                with self.news:
                    if batch and (no.status == 413 or no.ours and no.status in (400, 415)):
                        outbox.drop(batch, "rejected", status=no.status)  # this message is the reason
                        continue
                    if no.final: self.move("closed", status=no.status)
                    outbox.accept(writer, no.expected - 1)
                    if no.ours and no.status == 401 and self.token == token:
                        self.end_link()
                        asked = 0
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                if isinstance(error, TimeoutError) and self.token == token: self.end_link()
            with self.news: self.news.wait_for(lambda: self.state == "closed", self.delay(failures, asked))
