"""The service behind the gateway, under uvicorn: one process that can be killed or stopped at any moment."""

import asyncio
import json
import os

PIECE = b"x" * 65536


async def serve(scope, receive, send):
    if scope["type"] != "http":
        return
    parts = scope["path"].removeprefix("/soon").split("/")
    count = int("".join(parts[2:3]) or 0)
    answer = {"bytes": of_bytes, "drip": drip, "late": late, "half": half, "deed": deed}.get(parts[1], who)
    await answer(scope, receive, send, count)


async def begin(send, *headers):
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def piece(send, body, more=False):
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def who(scope, receive, send, _):
    """Who the gateway says is asking."""
    while (await receive()).get("more_body"):
        pass
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    await begin(send, (b"content-type", b"application/json"))
    await piece(send, json.dumps({"headers": headers}).encode())


async def of_bytes(scope, receive, send, count):
    await begin(send, (b"content-length", b"%d" % count))
    for at in range(0, count, len(PIECE)):
        await piece(send, PIECE[: count - at], at + len(PIECE) < count)


async def drip(scope, receive, send, count):
    """A piece now and then, and no end that anybody could know before."""
    await begin(send)
    for _ in range(count):
        await piece(send, b"drop\n", True)
        await asyncio.sleep(0.1)
    await piece(send, b"end\n")


async def late(scope, receive, send, _):
    """No answer at all, ever."""
    await asyncio.sleep(3600)


async def half(scope, receive, send, _):
    """The beginning of an answer, and nothing more, ever."""
    await begin(send, (b"content-length", b"100"))
    await piece(send, b"half", True)
    await asyncio.sleep(3600)


async def deed(scope, receive, send, number):
    """Something that may be done once: it is written down, and a moment later it is said to be done."""
    with open(os.environ["DEEDS"], "a") as deeds:
        deeds.write(f"{number}\n")
    await asyncio.sleep(0.01)
    await begin(send)
    await piece(send, b"done")
