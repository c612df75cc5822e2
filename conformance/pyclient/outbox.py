"""The messages on their way to the server, until it has accepted them."""
import json

from wire import write_block


class Outbox:
    """queue has the messages of an earlier client first. tell is called with their outcomes."""

    def __init__(self, cid, queue, tell):
        self.cid, self.queue, self.tell, self.count = cid, queue, tell, 0

    def add(self, data, event, ref):
        self.count += 1
        block = write_block(data, event, self.count)
        self.queue.append({"writer": self.cid, "number": self.count, "block": block, "ref": ref,
                           "tried": False, "again": False})

    def next(self, ack):
        """Returns the first message in a list, or none, its writer, and the body that has it."""
        batch, up = self.queue[:1], {"writer": self.cid, "base": self.count + 1, "ack": ack}
        for m in batch:
            up.update(writer=m["writer"], base=m["number"], again=m["again"])
            m["tried"] = True
        body = f"event: mirage-up\ndata: {json.dumps(up)}\n\n" + "".join(m["block"] for m in batch)
        return batch, up["writer"], body.encode()

    def mark(self):
        """The server may have forgotten what it had: see Again in protocol.md."""
        for m in self.queue:
            m["again"] = m["again"] or m["tried"]

    def accept(self, writer, number):
        mine = [m for m in self.queue if m["writer"] == writer]
        self.drop([m for m in mine if m["number"] <= number], "accepted")

    def drop(self, messages, outcome, **more):
        for m in [m for m in messages if m in self.queue]:
            self.queue.remove(m)
            if m["ref"]: self.tell(outcome, ref=m["ref"], **more)
