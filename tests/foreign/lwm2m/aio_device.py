"""A scriptable LwM2M device on aiocoap, over plain UDP: registers, serves /3/0, /19/0/0 (observable) and /19/1/0 (writable).

Usage: aio_device.py coap://HOST:PORT ENDPOINT [--lifetime S] [--version 1.0] [--binding U] [--links N]
  --links N   N more object instances in the registration: from about 60 on its payload goes block-wise
Prints one JSON object a line; commands on standard input: set PATH TEXT, uplink HEX, update, register, deregister, quit (so does the end of input).
Absent: DTLS, object 1 and 0, attributes, and any content format but text (0), opaque (42) and TLV (11542).
"""

import argparse
import asyncio
import json
import socket
import sys
import threading

import aiocoap
from aiocoap import resource
from aiocoap.numbers.codes import Code

TEXT, LINKS, OPAQUE, TLV = 0, 40, 42, 11542

parser = argparse.ArgumentParser()
parser.add_argument("server")
parser.add_argument("endpoint")
parser.add_argument("--lifetime", type=int, default=300)
parser.add_argument("--version", default="1.0")
parser.add_argument("--binding", default="U")
parser.add_argument("--links", type=int, default=0)
options = parser.parse_args()


def say(event, **members):
    print(json.dumps({"event": event, **members}), flush=True)


def tlv(kind, number, value):
    """One TLV; kind 0xC0 is a resource with a value, 0x40 an instance of a multiple resource, 0x80 a multiple resource."""
    wide = b"" if number < 256 else b"\x20"
    head = kind | (0x20 if wide else 0)
    size = len(value)
    if size < 8:
        head, length = head | size, b""
    elif size < 256:
        head, length = head | 0x08, size.to_bytes(1, "big")
    else:
        head, length = head | 0x10, size.to_bytes(2, "big")
    return bytes([head]) + number.to_bytes(2 if wide else 1, "big") + length + value


class Value(resource.ObservableResource):
    """One resource: text, or bytes that only the application understands."""

    def __init__(self, path, value, writable=False):
        super().__init__()
        self.path, self.value, self.writable = path, value, writable

    @property
    def number(self):
        return int(self.path.split("/")[3])

    def raw(self):
        return self.value if isinstance(self.value, bytes) else self.value.encode()

    def update_observation_count(self, newcount):
        say("observed" if newcount else "unobserved", path=self.path)

    async def render_get(self, request):
        if request.opt.observe is None:
            say("read", path=self.path)
        native = OPAQUE if isinstance(self.value, bytes) else TEXT
        wanted = native if request.opt.accept is None else int(request.opt.accept)
        if wanted == TLV:
            return aiocoap.Message(payload=tlv(0xC0, self.number, self.raw()), content_format=TLV)
        if wanted != native:
            return aiocoap.Message(code=Code.NOT_ACCEPTABLE)
        return aiocoap.Message(payload=self.raw(), content_format=native)

    async def render_put(self, request):
        if not self.writable:
            return aiocoap.Message(code=Code.METHOD_NOT_ALLOWED)
        kind = None if request.opt.content_format is None else int(request.opt.content_format)
        self.value = request.payload
        say("write", path=self.path, value=request.payload.hex(), format=kind)
        return aiocoap.Message(code=Code.CHANGED)


class Executable(resource.Resource):
    async def render_post(self, request):
        say("execute", path="/3/0/4", value=request.payload.decode(errors="replace"))
        return aiocoap.Message(code=Code.CHANGED)


class Instance(resource.Resource):
    """An object instance as TLV."""

    def __init__(self, path, values):
        super().__init__()
        self.path, self.values = path, values

    async def render_get(self, request):
        say("read", path=self.path)
        if request.opt.accept is not None and int(request.opt.accept) != TLV:
            return aiocoap.Message(code=Code.NOT_ACCEPTABLE)
        return aiocoap.Message(payload=b"".join(tlv(0xC0, value.number, value.raw()) for value in self.values), content_format=TLV)


class Device:
    def __init__(self):
        texts = {"/3/0/0": "Aio Works", "/3/0/1": "A-1", "/3/0/2": "SN-0002", "/3/0/3": "2.1.0", "/3/0/16": options.binding}
        self.values = {path: Value(path, text) for path, text in texts.items()}
        self.values["/19/0/0"] = Value("/19/0/0", b"")
        self.values["/19/1/0"] = Value("/19/1/0", b"", writable=True)
        self.location = None

    async def start(self):
        site = resource.Site()
        for path, value in self.values.items():
            site.add_resource(path.strip("/").split("/"), value)
        site.add_resource(["3", "0", "4"], Executable())
        for path in ("/3/0", "/19/0", "/19/1"):
            below = [value for name, value in self.values.items() if name.startswith(path + "/")]
            site.add_resource(path.strip("/").split("/"), Instance(path, below))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # A device serves and asks from one port: the server's requests come to where the registration came from.
        self.context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])

    async def ask(self, operation, code, uri, payload=b"", **members):
        message = aiocoap.Message(code=code, uri=uri, payload=payload, **members)
        try:
            response = await asyncio.wait_for(self.context.request(message).response, 120)
        except (aiocoap.error.Error, asyncio.TimeoutError, OSError) as error:
            say("error", operation=operation, text=str(error) or type(error).__name__)
            return None
        if not response.code.is_successful():
            say("error", operation=operation, code=response.code.dotted, text=response.payload.decode(errors="replace"))
            return None
        return response

    async def register(self):
        links = ['</>;rt="oma.lwm2m"', "</1/0>", "</3/0>", "</19/0>", "</19/1>"]
        links += [f"</26241/{number}>" for number in range(options.links)]
        query = f"ep={options.endpoint}&lt={options.lifetime}&lwm2m={options.version}&b={options.binding}"
        payload = ",".join(links).encode()
        response = await self.ask("register", Code.POST, f"{options.server}/rd?{query}", payload, content_format=LINKS)
        if response is not None:
            self.location = "/" + "/".join(response.opt.location_path)
            say("registered", location=self.location, size=len(payload))

    async def update(self):
        if self.location is None:
            say("error", operation="update", text="not registered")
        elif await self.ask("update", Code.POST, options.server + self.location) is not None:
            say("updated")

    async def deregister(self):
        if self.location is None:
            say("error", operation="deregister", text="not registered")
        elif await self.ask("deregister", Code.DELETE, options.server + self.location) is not None:
            self.location = None
            say("deregistered")

    def assign(self, path, value):
        if path not in self.values:
            say("error", operation="set", text=f"no such resource {path}")
            return
        self.values[path].value = value
        self.values[path].updated_state()


def read_commands(loop, commands):
    for line in sys.stdin:
        loop.call_soon_threadsafe(commands.put_nowait, line.split())
    loop.call_soon_threadsafe(commands.put_nowait, ["quit"])


async def main():
    device = Device()
    await device.start()
    commands: asyncio.Queue = asyncio.Queue()
    threading.Thread(target=read_commands, args=(asyncio.get_running_loop(), commands), daemon=True).start()
    await device.register()
    while True:
        words = await commands.get()
        match words:
            case []:
                pass
            case ["quit"]:
                break
            case ["register"]:
                await device.register()
            case ["update"]:
                await device.update()
            case ["deregister"]:
                await device.deregister()
            case ["uplink", data]:
                device.assign("/19/0/0", bytes.fromhex(data))
            case ["set", path, *text]:
                device.assign(path, " ".join(text))
            case _:
                say("error", operation=" ".join(words), text="unknown command")
    await device.context.shutdown()


asyncio.run(main())
