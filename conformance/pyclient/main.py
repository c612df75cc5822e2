"""Lets the conformance kit check client.py: it does what the lines on standard input say.

go run ./conformance -client "python3 conformance/pyclient/main.py"
"""
import base64, json, sys, threading

from client import Client

lock = threading.Lock()


def tell(event, **more):
    if isinstance(more.get("data"), bytes):
        more["base64"] = base64.b64encode(more.pop("data")).decode()
    with lock:
        print(json.dumps({"event": event, **more}), flush=True)


def main(client_class=Client):
    client = url = None
    tell("hello", name="client.py", transports=["sse"], features=["binary", "emit", "reload"])
    for line in sys.stdin:
        what = json.loads(line)
        do = what["do"]
        if do == "connect":
            if not client:
                url = what["url"]
                client = client_class(url, tell)
            client.move("connecting")
        elif do == "reload":
            client.tell = lambda *_, **__: None
            client.move("closed")
            client = client_class(url, tell, json.loads(json.dumps(client.kept)))
            client.move("connecting")
        elif do == "disconnect":
            client.move("idle")
        elif do == "close":
            client.close()
        elif do in ("send", "emit"):
            data = base64.b64decode(what["base64"]) if "base64" in what else what.get("data", "")
            client.send(data, what.get("name", ""), what.get("ref", 0))


if __name__ == "__main__":
    main()
