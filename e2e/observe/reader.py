#!/usr/bin/env python3
"""Visitors who never tire. Asks each environment for its front page and its newest post as often as
the machine renders them, and for the probe page at a fixed rate; checks every answer.

reader.py --ports DIR/ports.json --markers REPOSITORY.git/tidegate-markers.json --output FILE
reader.py --environment dev=http://127.0.0.1:8001 --environment live=http://127.0.0.1:8003 ...

SIGTERM or SIGINT: writes the summary and exits 0 without failures, 1 with. SIGUSR1, once FILE is
there: writes it and goes on. The only error that is none is 503 with Retry-After; its intervals
are in the summary.
"""
import argparse
import asyncio
import datetime
import json
import os
import signal
import sys
import time
import traceback
from urllib.parse import urlsplit

from checks import NEWEST, UPLOAD, UPLOAD_END, Maintenance, Rules
from http_client import Connection

EXAMPLES = 20
PROBERS = 4


def clock(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Findings:
    """Everything the summary says."""

    def __init__(self, environments):
        self.began = time.time()
        self.failures = 0
        self.examples = []
        self.of = {name: {"front": 0, "post": 0, "upload": 0, "probe": 0, "refused": 0,
                          "slowest": 0.0, "longest_without_answer": 0.0,
                          "releases": {}} for name in environments}
        self.maintenance = {name: Maintenance() for name in environments}
        self.answered = {name: time.time() for name in environments}

    def fail(self, environment, what, problem, text=""):
        self.failures += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append({"at": clock(time.time()), "environment": environment,
                                  "asked": what, "problem": problem, "text": text[:1200]})

    def good(self, environment, what, state, began):
        of = self.of[environment]
        of[what] += 1
        now = time.time()
        of["slowest"] = max(of["slowest"], now - began)
        of["longest_without_answer"] = max(of["longest_without_answer"],
                                           now - self.answered[environment])
        self.answered[environment] = now
        if state is not None:
            seen = of["releases"].setdefault(state["release"], {
                "commit": state["commit"], "first": clock(now), "last": "", "answers": 0})
            seen["last"] = clock(now)
            seen["answers"] += 1

    def summary(self):
        environments = {}
        for name, of in self.of.items():
            intervals = [{"from": clock(one["from"]), "to": clock(one["to"]),
                          "seconds": round(one["to"] - one["from"], 3), "answers": one["answers"]}
                         for one in self.maintenance[name].intervals()]
            environments[name] = {**of, "slowest": round(of["slowest"], 3),
                                  "longest_without_answer": round(of["longest_without_answer"], 3),
                                  "maintenance": intervals,
                                  "maintenance_seconds": round(sum(one["seconds"]
                                                                   for one in intervals), 3)}
        return {"seconds": round(time.time() - self.began, 3), "failures": self.failures,
                "examples": self.examples, "environments": environments}


class Visitor:
    """One kept connection to one environment."""

    def __init__(self, name, address, rules, findings, shared):
        self.name, self.rules, self.findings = name, rules, findings
        self.connection = Connection(address)
        self.shared = shared

    async def ask(self, what, path):
        """The answer and when it was asked for; None for one that is counted already."""
        began = time.time()
        try:
            answer = await self.connection.get(path)
        except (OSError, asyncio.TimeoutError, ValueError) as problem:
            self.findings.fail(self.name, what, f"no answer: {problem!r}")
            await asyncio.sleep(0.05)
            return None, began
        if answer.status == 503:
            self.findings.of[self.name]["refused"] += 1
            self.findings.maintenance[self.name].refused(began, time.time())
            if "retry-after" not in answer.headers:
                self.findings.fail(self.name, what, "503 without Retry-After", answer.text)
            await asyncio.sleep(0.01)
            return None, began
        self.findings.maintenance[self.name].served(began)
        return answer, began

    def judge(self, what, problems, text):
        for problem in problems:
            self.findings.fail(self.name, what, problem, text)
        return not problems

    def never_back(self, floor, newest):
        """The authority's newest post, as a request that began at `floor` may see it."""
        if self.name != self.shared["authority"]:
            return []
        self.shared["floor"] = max(self.shared["floor"], newest)
        return [f"the newest post is {newest}, and was {floor}"] if newest < floor else []

    async def front_page(self):
        """The page's state, its newest post, the newest upload it links (or None); or None."""
        floor = self.shared["floor"]
        answer, began = await self.ask("front", "/")
        if answer is None:
            return None
        if answer.status != 200:
            self.judge("front", [f"status {answer.status}"], answer.text)
            return None
        problems, state = self.rules.of_page(self.name, answer.text)
        newest = NEWEST.search(answer.text)
        if newest is None:
            problems.append("the page names no newest post")
        else:
            problems += self.never_back(floor, int(newest[1]))
        if not self.judge("front", problems, answer.text):
            return None
        self.findings.good(self.name, "front", state, began)
        upload = UPLOAD.search(answer.text)
        return state, int(newest[1]), urlsplit(upload[1]).path if upload else None

    async def gone_with_its_release(self, state):
        """Whether a missing page belonged to content that was replaced since. Never true of the
        authority, whose content nobody replaces."""
        if self.name == self.shared["authority"]:
            return False
        page = await self.front_page()
        return page is None or page[0]["release"] != state["release"]

    async def newest_post(self, state, newest):
        answer, began = await self.ask("post", f"/?p={newest}")
        if answer is None:
            return
        if answer.status != 200 or f'data-post="{newest}"' not in answer.text:
            if not await self.gone_with_its_release(state):
                self.judge("post", [f"post {newest} answers {answer.status}"], answer.text)
            return
        problems, own = self.rules.of_page(self.name, answer.text)
        if self.judge("post", problems, answer.text):
            self.findings.good(self.name, "post", own, began)

    async def upload(self, state, path):
        answer, began = await self.ask("upload", path)
        if answer is None:
            return
        if answer.status == 200 and answer.body.endswith(UPLOAD_END):
            self.findings.good(self.name, "upload", None, began)
        elif not await self.gone_with_its_release(state):
            self.judge("upload", [f"'{path}' answers {answer.status}, {len(answer.body)} bytes"],
                       "")

    async def probe(self):
        floor = self.shared["floor"]
        answer, began = await self.ask("probe", "/probe.php")
        if answer is None:
            return
        if answer.status != 200:
            self.judge("probe", [f"status {answer.status}"], answer.text)
            return
        problems, state = self.rules.of_probe(self.name, answer.text)
        if state is not None:
            problems += self.never_back(floor, state["newest_post"])
        if self.judge("probe", problems, answer.text):
            self.findings.good(self.name, "probe", state, began)


async def paced(rate, act, findings):
    """`act` for ever, `rate` times a second, or as often as it ends when that is less often."""
    due = time.monotonic()
    while True:
        try:
            await act()
        except Exception:
            # Our own mistake, or an answer nobody thought of: a finding, and no reason to stop.
            findings.fail("", "reader", "the reader stumbled", traceback.format_exc(limit=-3))
            await asyncio.sleep(0.1)
        if rate:
            due = max(due + 1 / rate, time.monotonic() - 1)
            await asyncio.sleep(max(0, due - time.monotonic()))


def render(visitor):
    async def act():
        page = await visitor.front_page()
        if page is None:
            return
        state, newest, upload = page
        await visitor.newest_post(state, newest)
        if upload is not None:
            await visitor.upload(state, upload)
    return act


def write_summary(findings, output):
    text = json.dumps(findings.summary(), indent=1) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    with open(output + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(output + ".new", output)


async def watch(options, addresses):
    findings = Findings(addresses)
    rules = Rules(addresses, options.markers)
    shared = {"authority": options.authority, "floor": 0}
    tasks = []
    for name, address in addresses.items():
        for _ in range(options.renderers):
            visitor = Visitor(name, address, rules, findings, shared)
            rate = options.page_rate / options.renderers
            tasks.append(asyncio.create_task(paced(rate, render(visitor), findings)))
        for _ in range(PROBERS):
            visitor = Visitor(name, address, rules, findings, shared)
            tasks.append(asyncio.create_task(
                paced(options.probe_rate / PROBERS, visitor.probe, findings)))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, write_summary, findings, options.output)
    if options.output is not None:
        write_summary(findings, options.output)
    await ended.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    write_summary(findings, options.output)
    return 1 if findings.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", help="ports.json of `services`: every environment in it")
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=ADDRESS")
    parser.add_argument("--authority", default="live", help="where newest posts never go back")
    parser.add_argument("--markers", help="the code repository's map from commit to marker")
    parser.add_argument("--probe-rate", type=float, default=100, help="a second and environment")
    parser.add_argument("--page-rate", type=float, default=0,
                        help="front pages a second and environment; 0: as often as they come")
    parser.add_argument("--renderers", type=int, default=1, help="page readers an environment")
    parser.add_argument("--output", help="where the summary goes; default: standard output")
    options = parser.parse_args()
    addresses = dict(pair.split("=", 1) for pair in options.environment)
    if options.ports:
        with open(options.ports, encoding="utf-8") as file:
            addresses |= {name: f"http://127.0.0.1:{port}" for name, port in json.load(file).items()
                          if name != "git" and not name.endswith("-preview")}
    if not addresses:
        parser.error("no environment to read; --ports or --environment")
    sys.exit(asyncio.run(watch(options, addresses)))


main()
