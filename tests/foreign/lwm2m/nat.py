"""A NAT for UDP on the loopback: forwards to one server, from a port of its own for each client, and can move those ports in mid-session.

Usage: nat.py SERVER_PORT [--loss FRACTION] [--duplicate FRACTION] [--reorder FRACTION] [--seed N] [--host ADDRESS]
Prints {"event":"listening","port":N}. Commands on standard input, each answered by one JSON line:
  rebind         every client gets a new port towards the server; what arrives at the old one is lost
  forget         as a NAT that dropped its table: nothing reaches a client until it sends again, then from a new port
  loss FRACTION  of the datagrams of both directions, from now on
  count          what was forwarded and lost so far
  quit           end; so does the end of input
Absent: fairness between directions, and any delay but that of a reordered datagram (it waits for the next one of its flow).
"""

import argparse
import json
import random
import selectors
import socket
import sys

parser = argparse.ArgumentParser()
parser.add_argument("server_port", type=int)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--loss", type=float, default=0.0)
parser.add_argument("--duplicate", type=float, default=0.0)
parser.add_argument("--reorder", type=float, default=0.0)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()
chance = random.Random(options.seed)
server = (options.host, options.server_port)
selector = selectors.DefaultSelector()
counts = {"up": 0, "down": 0, "lost": 0, "duplicated": 0, "reordered": 0}
outside: dict = {}
held: dict = {}


def bound():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((options.host, 0))
    made.setblocking(False)
    return made


def say(event, **members):
    print(json.dumps({"event": event, **members}), flush=True)


def open_for(client):
    outside[client] = bound()
    selector.register(outside[client], selectors.EVENT_READ, client)


def close_for(client):
    old = outside.pop(client)
    selector.unregister(old)
    old.close()


def send(through, data, to):
    try:
        through.sendto(data, to)
    except OSError:
        counts["lost"] += 1


def forward(direction, flow, through, data, to):
    if chance.random() < options.loss:
        counts["lost"] += 1
        return
    counts[direction] += 1
    if flow not in held and chance.random() < options.reorder:
        held[flow] = data
        counts["reordered"] += 1
        return
    send(through, data, to)
    if chance.random() < options.duplicate:
        counts["duplicated"] += 1
        send(through, data, to)
    if flow in held:
        send(through, held.pop(flow), to)


def obey(words):
    if words[0] == "rebind":
        for client in list(outside):
            close_for(client)
            open_for(client)
        say("rebound", ports=[made.getsockname()[1] for made in outside.values()])
    elif words[0] == "forget":
        for client in list(outside):
            close_for(client)
        say("forgotten")
    elif words[0] == "loss":
        options.loss = float(words[1])
        say("loss", fraction=options.loss)
    elif words[0] == "count":
        say("count", **counts)
    else:
        say("error", text=f"unknown command {words[0]}")


def received(made):
    try:
        return made.recvfrom(65535)
    except OSError:
        return None, None


inside = bound()
selector.register(inside, selectors.EVENT_READ, "inside")
selector.register(sys.stdin, selectors.EVENT_READ, "commands")
say("listening", port=inside.getsockname()[1])
while True:
    for key, _ in selector.select():
        if key.data == "commands":
            words = sys.stdin.readline().split()
            if not words or words[0] == "quit":
                sys.exit(0)
            obey(words)
        elif key.data == "inside":
            data, client = received(inside)
            if client is None:
                continue
            if client not in outside:
                open_for(client)
            forward("up", ("up", client), outside[client], data, server)
        elif outside.get(key.data) is key.fileobj:
            data, sender = received(key.fileobj)
            if sender == server:
                forward("down", ("down", key.data), inside, data, key.data)
