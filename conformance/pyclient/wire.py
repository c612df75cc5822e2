"""What is on the wire: requests and answers, blocks, positions."""
import base64, http.client, json, random, urllib.parse


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


def read_payload(fields):
    """Returns the text of a message, or its bytes."""
    if fields.get("encoding") != "base64": return fields["data"]
    data = base64.b64decode(fields["data"])
    return data if fields.get("type") == "binary" else data.decode()


def epoch_and_number(position):
    epoch, _, number = position.partition("-")
    return epoch, int(number.partition(".")[0] or 0)


def is_newer(position, than):
    """Numbers count within one epoch. Another epoch is always newer."""
    (epoch, number), (known, last) = epoch_and_number(position), epoch_and_number(than)
    return epoch != known or number > last


def ask(url, method, token, query, body, connected):
    """Sends a request, and returns the answer of the server. Raises Refused for any other."""
    conn = http.client.HTTPConnection(url.netloc, timeout=15)
    conn.connect()
    connected(conn.sock)
    headers = {"Accept": "text/event-stream", "Mirage-Link": token or "new"}
    if body: headers["Content-Type"] = "text/event-stream"
    conn.request(method, f"{url.path}?{urllib.parse.urlencode(query)}", body, headers)
    answer = conn.getresponse()
    kind = {"GET": "text/event-stream", "POST": "application/json"}.get(method)
    if kind and (answer.status, answer.headers.get_content_type()) != (200, kind):
        raise Refused(answer)
    return answer
