"""A client for Mirage in Python, without dependencies, written by docs/protocol.md alone.

It reads a stream, sends each message in a POST of its own, and keeps its signed id itself,
without cookies. It does all of the checklist but topics.
"""
import base64, http.client, json, random, secrets, socket, threading, time, urllib.parse


class Refused(Exception):
    def __init__(self, answer):
        self.status = answer.status
        self.ours = answer.headers.get_content_type() == "application/problem+json"
        self.expected = json.load(answer).get("expected") if self.ours and self.status == 409 else 0
        retry = answer.headers.get("Retry-After", "")
        self.asked = float(retry) if retry.isdigit() else None if self.ours else random.uniform(2, 4)
        self.final = self.ours and self.status in (204, 400, 403, 410, 501)


def read_blocks(lines):
    """Yields the fields of each block whose blank line has come."""
    fields = {}
    for line in lines:
        name, colon, value = line.decode().rstrip("\r\n").partition(":")
        if name == "data" and name in fields:
            fields[name] += "\n" + value.removeprefix(" ")
        elif name:
            fields[name] = value.removeprefix(" ")
        elif not colon and fields:  # with a colon it is a comment
            yield fields
            fields = {}


def write_block(data, event, number):
    lines = ["event: " + event] if event else []
    if isinstance(data, bytes):
        lines += ["encoding: base64", "type: binary", "data: " + base64.b64encode(data).decode()]
    elif "\r" in data or "\0" in data or 18 * data.count("\n") > len(data):
        lines += ["encoding: base64", "data: " + base64.b64encode(data.encode()).decode()]
    else:
        lines += ["data: " + line for line in data.split("\n")]
    return "\n".join(lines + [f"id: {number}", "", ""])


def epoch_and_number(position):
    epoch, _, number = position.partition("-")
    return epoch, int(number.partition(".")[0] or 0)


class Client:
    """Calls tell(event, **more) for what happens. kept is that of an earlier client, or None."""

    def __init__(self, url, tell, kept=None):
        self.url, self.tell, self.state, self.acked = urllib.parse.urlsplit(url), tell, "idle", ""
        self.kept = kept or {"signed": "", "id": "", "position": "", "queue": []}
        self.cid, self.count, self.token, self.sock = secrets.token_urlsafe(16), 0, None, None
        self.news = threading.Condition()  # guards the fields, and tells that they have changed
        for run in self.read, self.write:
            threading.Thread(target=run, daemon=True).start()

    def move(self, state, **more):
        """Changes the state: connecting, open, waiting, idle (disconnected) or closed."""
        with self.news:
            if self.state != "closed":
                self.state = state
                self.tell("state", state=state, **more)
            if state != "open":
                self.end_link()
            self.news.notify_all()

    def end_link(self):
        self.token = None
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # the other thread may be reading
        except (AttributeError, OSError):
            pass

    def send(self, data, event="", ref=0):
        """Queues text, or bytes. The server handles it once and in order."""
        with self.news:
            self.count += 1
            self.kept["queue"].append({"writer": self.cid, "number": self.count, "again": False, "tried": False,
                                       "ref": ref, "block": write_block(data, event, self.count)})
            self.news.notify_all()

    def close(self):
        with self.news:
            self.news.wait_for(lambda: not self.kept["queue"], 5)
        if self.token:
            self.request("DELETE", self.token)
        self.move("closed")

    def request(self, method, token=None, query={}, body=None):
        """Returns the answer. Raises Refused, or OSError and others if the network fails."""
        conn = http.client.HTTPConnection(self.url.netloc, timeout=15)
        conn.connect()
        if method == "GET":
            self.sock = conn.sock
        query = {"_cid": self.cid, "_mirage": self.kept["signed"], **query}
        headers = {"Accept": "text/event-stream", "Content-Type": "text/event-stream", "Mirage-Link": token or "new"}
        conn.request(method, f"{self.url.path}?{urllib.parse.urlencode(query)}", body, headers)
        answer = conn.getresponse()
        kind = {"GET": "text/event-stream", "POST": "application/json"}.get(method)
        if kind and (answer.status, answer.headers.get_content_type()) != (200, kind):
            raise Refused(answer)
        return answer

    def delay(self, failures, asked):
        """What the server asks for counts. Otherwise the delay is random, and grows."""
        return random.uniform(0, 0.25 * 2 ** min(failures, 6)) if asked is None else asked

    def read(self):  # a thread
        failures = 0
        while self.state != "closed":
            with self.news:
                self.news.wait_for(lambda: self.state != "idle")
            began, self.asked = time.monotonic(), None
            try:
                for fields in read_blocks(self.request("GET", query={"_pos": self.kept["position"]})):
                    with self.news:
                        if self.state in ("idle", "closed"):
                            break
                        self.take(fields)
            except Refused as no:
                if no.final or no.status in (405, 413, 415):
                    self.move("closed", status=no.status)
                self.asked = no.asked
            except (OSError, ValueError, http.client.HTTPException):
                pass  # the network has failed
            with self.news:
                failures = 0 if time.monotonic() - began > 10 else failures + 1
                if self.state not in ("idle", "closed"):
                    self.move("waiting")
                self.news.wait_for(lambda: self.state in ("idle", "closed"), self.delay(failures, self.asked))

    def take(self, fields):
        event, position = fields.get("event", ""), fields.get("id", "")
        data = json.loads(fields["data"]) if event.startswith("mirage") else None
        if event == "mirage":
            self.greet(data, position.partition("_")[0])
        elif event == "mirage-gap":
            self.lose(data, data["reason"], position)
        elif event == "mirage-ack":
            self.accept(self.cid, data["accepted"])
        elif event == "mirage-drain":
            self.asked = data["retry"] / 1000
        elif event == "mirage-end":
            self.move("closed", status=data["status"])
        elif data is None and self.is_new(position):
            if "data" in fields:
                raw = base64.b64decode(fields["data"]) if fields.get("encoding") else fields["data"]
                text = isinstance(raw, str) or fields.get("type") == "binary"
                self.tell("message", name=event, data=raw if text else raw.decode())
            self.kept["position"] = position  # the message has been delivered
        self.news.notify_all()

    def is_new(self, position):
        (epoch, number), (known, last) = epoch_and_number(position), epoch_and_number(self.kept["position"])
        return epoch != known or number > last

    def lose(self, lost, reason, position):
        self.tell("gap", **{"from": lost["from"], "to": lost["to"] or 0, "reason": reason})
        self.kept["position"] = position

    def greet(self, hello, position):
        kept, queue = self.kept, self.kept["queue"]
        if kept["id"] not in ("", hello["id"], hello["previous"]):
            self.drop(list(queue), "rejected", status=409)  # written as somebody else
        self.accept(self.cid, hello["accepted"])
        for m in queue:
            m["again"] = m["again"] or m["tried"] and not hello["resumed"]
        if hello["lost"] and hello["reason"] != "trimmed":  # otherwise a gap follows
            self.lose(hello["lost"], hello["reason"], position)
        elif self.is_new(position) if hello["resumed"] else hello["reason"] != "trimmed":
            kept["position"] = position
        kept["id"], kept["signed"], self.token = hello["id"], hello["mirage"] or kept["signed"], hello["link"]
        self.sock.settimeout(hello["heartbeat"] / 500 + 5 if hello["heartbeat"] else None)
        self.move("open", transport="sse")

    def ack(self):
        return self.kept["position"]

    def write(self):  # a thread: one POST at a time
        failures, queue = 0, self.kept["queue"]
        while True:
            with self.news:
                self.news.wait_for(lambda: self.state == "closed" or self.token and (queue or self.ack() != self.acked))
                if self.state == "closed":
                    return
                token, batch, up = self.token, queue[:1], {"writer": self.cid, "base": self.count + 1, "ack": self.ack()}
                for m in batch:
                    up.update(writer=m["writer"], base=m["number"], again=m["again"])
                    m["tried"] = True
            body = f"event: mirage-up\ndata: {json.dumps(up)}\n\n" + "".join(m["block"] for m in batch)
            asked, failures = None, failures + 1
            try:
                answer = json.load(self.request("POST", token, body=body.encode()))
                with self.news:
                    self.acked, failures = up["ack"], 0
                    self.drop([m for m in batch if m["number"] in answer.get("failed", ())], "rejected", status=500)
                    self.accept(up["writer"], answer["accepted"])
                    self.news.notify_all()
                    continue
            except Refused as no:
                asked = no.asked
                with self.news:
                    if batch and (no.status == 413 or no.ours and no.status in (400, 415)):
                        self.drop(batch, "rejected", status=no.status)  # this message is the reason
                        continue
                    if no.final:
                        self.move("closed", status=no.status)
                    self.accept(up["writer"], no.expected - 1)
                    if no.ours and no.status == 401 and self.token == token:
                        self.end_link()
                        asked = 0
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                with self.news:
                    if isinstance(error, TimeoutError) and self.token == token:
                        self.end_link()
            with self.news:
                self.news.wait_for(lambda: self.state == "closed", self.delay(failures, asked))

    def accept(self, writer, number):
        self.drop([m for m in self.kept["queue"] if m["writer"] == writer and m["number"] <= number], "accepted")

    def drop(self, messages, outcome, **more):
        for m in [m for m in messages if m in self.kept["queue"]]:
            self.kept["queue"].remove(m)
            if m["ref"]:
                self.tell(outcome, ref=m["ref"], **more)
