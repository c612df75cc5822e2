"""Clients with one fault each: python3 mutants.py NAME. The kit must find all of them."""
import sys

import client, wire
from client import Client
from main import main


class NoDeduplication(Client):
    def is_new(self, position):
        return True


class NoAcknowledgements(Client):
    def ack(self):
        return ""


class PositionLost(Client):
    def __init__(self, url, tell, kept=None):
        super().__init__(url, tell, kept and {**kept, "position": ""})


class RetryIgnored(Client):
    def delay(self, failures, asked):
        return 0.1


class Truncated(Client):
    def __init__(self, *args):
        client.read_blocks = read_truncated_blocks
        super().__init__(*args)

    def take(self, fields):
        if "id" in fields or "event" in fields: return super().take(fields)
        self.tell("message", data=wire.read_payload(fields))


def read_truncated_blocks(lines, read=wire.read_blocks):
    """Takes the end of the stream for the end of a block."""

    def and_end():
        yield from lines
        yield b"\n"
        yield b"\n"

    return read(and_end())


class NeverMarked(Client):
    def greet(self, hello, position):
        super().greet(hello, position)
        for m in self.outbox.queue:
            m["again"] = False


class GapHidden(Client):
    def lose(self, lost, reason, position):
        self.kept["position"] = position


class NewNumbers(Client):
    def __init__(self, url, tell, kept=None):
        super().__init__(url, tell, kept)
        for m in self.outbox.queue:
            m["writer"] = self.cid


class NeverStops(Client):
    def request(self, *args, **more):
        try:
            return super().request(*args, **more)
        except wire.Refused as no:
            no.final = False
            raise


if __name__ == "__main__":
    main(globals()[sys.argv[1]])
