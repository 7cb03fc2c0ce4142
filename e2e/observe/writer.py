#!/usr/bin/env python3
"""An editor who never tires. Adds posts, some with an upload, and remembers each that was
acknowledged.

writer.py run --url LIVE --token-file FILE --acknowledged FILE [--every SECONDS]
    until SIGTERM or SIGINT; then prints a summary and exits 0 without failures, 1 with. On 503 with
    Retry-After it waits and goes on. A post that was refused may or may not exist.
writer.py verify --url URL --token-file FILE --acknowledged FILE [--first N]
    whether each acknowledged post (or the first N) and its upload are there; exit 1 when one is not
"""
import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
import time
from urllib.parse import quote, urlsplit

from checks import UPLOAD_END
from http_client import Connection

PREFIX = "written-"


class Writer:
    def __init__(self, options, token):
        self.options, self.token = options, token
        self.run = secrets.token_hex(3)
        self.counts = {"acknowledged": 0, "refused": 0, "failures": 0}
        self.examples = []
        self.slowest = 0.0

    def fail(self, problem):
        self.counts["failures"] += 1
        if len(self.examples) < 20:
            self.examples.append({"at": time.time(), "problem": problem})

    def post(self, number):
        title = f"{PREFIX}{self.run}-{number:06}"
        body = {"title": title, "content": f"Post {number}, seen at {self.options.url}/somewhere"}
        if (number - 1) % self.options.uploads_every == 0:
            body["upload"] = f"{title}\n" * 40 + UPLOAD_END.decode()
        return title, json.dumps(body).encode()

    async def write(self, number, journal):
        """A connection of its own: a request that must not be sent twice is never repeated."""
        title, body = self.post(number)
        connection = Connection(self.options.url)
        began = time.monotonic()
        try:
            answer = await connection.send("POST", "/add_post.php", body=body,
                                           headers={"X-Post-Token": self.token,
                                                    "Content-Type": "application/json"})
        except (OSError, EOFError, asyncio.TimeoutError, ValueError) as problem:
            self.fail(f"no answer to {title}: {problem!r}")
            return
        finally:
            connection.close()
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status == 503 and "retry-after" in answer.headers:
            self.counts["refused"] += 1
        elif answer.status == 201 and answer.text.startswith("{"):
            journal.write(json.dumps(json.loads(answer.text)) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
            self.counts["acknowledged"] += 1
        else:
            self.fail(f"{title}: status {answer.status}: {answer.text[:300]}")

    async def go_on(self, ended):
        with open(self.options.acknowledged, "a", encoding="utf-8") as journal:
            number = 0
            while not ended.is_set():
                number += 1
                await self.write(number, journal)
                try:
                    await asyncio.wait_for(ended.wait(), self.options.every)
                except asyncio.TimeoutError:
                    pass


async def run(options, token):
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    writer = Writer(options, token)
    await writer.go_on(ended)
    print(json.dumps({**writer.counts, "slowest": round(writer.slowest, 3),
                      "examples": writer.examples}, indent=1))
    return 1 if writer.counts["failures"] else 0


async def verify(options, token):
    with open(options.acknowledged, encoding="utf-8") as file:
        acknowledged = [json.loads(line) for line in file][:options.first]
    connection = Connection(options.url)
    answer = await connection.send("GET", f"/add_post.php?titles={quote(PREFIX)}",
                                   {"X-Post-Token": token})
    if answer.status != 200:
        print(f"writer: the list of posts answers {answer.status}", file=sys.stderr)
        return 1
    present = {(post["id"], post["title"]) for post in json.loads(answer.text)["posts"]}
    lost = [post for post in acknowledged if (post["id"], post["title"]) not in present]
    without_file = []
    for post in acknowledged:
        if post["upload"]:
            file = await connection.get(urlsplit(post["upload"]).path)
            if file.status != 200 or not file.body.endswith(UPLOAD_END):
                without_file.append({**post, "status": file.status})
    connection.close()
    print(json.dumps({"acknowledged": len(acknowledged), "present": len(present),
                      "lost": lost[:20], "lost_count": len(lost),
                      "uploads_lost": without_file[:20],
                      "uploads_lost_count": len(without_file)}, indent=1))
    return 1 if lost or without_file else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "verify"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--token-file", required=True, help="holds the value of POST_TOKEN")
    parser.add_argument("--acknowledged", required=True, help="one JSON line a post; appended to")
    parser.add_argument("--every", type=float, default=0.25, help="seconds between two posts")
    parser.add_argument("--uploads-every", type=int, default=4,
                        help="the first of each N has an upload")
    parser.add_argument("--first", type=int, default=None)
    options = parser.parse_args()
    options.url = options.url.rstrip("/")
    with open(options.token_file, encoding="utf-8") as file:
        token = file.read().strip()
    act = run if options.verb == "run" else verify
    sys.exit(asyncio.run(act(options, token)))


main()
