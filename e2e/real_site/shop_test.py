#!/usr/bin/env python3
"""A shop on WordPress and MariaDB that takes ten orders a second, while releases fail and people change their minds.

Every order is answered for: one that was acknowledged is there, but for those that the event said were lost; one that
was refused is not."""
import asyncio
import collections
import json
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "observe"))
from http_client import Connection  # noqa: E402
from kit import PROGRAM, Failed, RealSite, say  # noqa: E402

EVERY = 0.1
LINES = 3
Order = collections.namedtuple("Order", "commit at")


def expect(what, truth, detail=""):
    if not truth:
        raise Failed(f"expected: {what} {detail}")
    say(f"  {what}")


class Till(threading.Thread):
    """Customers, each with a connection of its own; nothing is sent twice."""

    def __init__(self, address, token):
        super().__init__(daemon=True)
        self.address, self.token = address, token
        self.acknowledged, self.refused, self.wrong = {}, set(), []
        self.open, self.number = set(), 0
        self.working, self.ended = threading.Event(), threading.Event()
        self.working.set()

    def run(self):
        asyncio.run(self.serve())

    async def serve(self):
        following = time.monotonic()
        while not self.ended.is_set():
            if self.working.is_set():
                self.number += 1
                task = asyncio.create_task(self.sell(f"{self.number:06}"))
                self.open.add(task)
                task.add_done_callback(self.open.discard)
            following = max(following + EVERY, time.monotonic())
            await asyncio.sleep(following - time.monotonic())
        await asyncio.gather(*self.open)

    async def ask(self, method, body=b""):
        connection = Connection(self.address)
        try:
            return await connection.send(method, "/orders.php", {"X-Post-Token": self.token}, body)
        finally:
            connection.close()

    async def sell(self, number):
        lines = [{"article": f"article {i}", "amount": i + 1, "cents": 100 * i + int(number) % 100} for i in range(LINES)]
        try:
            answer = await self.ask("POST", json.dumps({"number": number, "lines": lines}).encode())
        except (OSError, EOFError, asyncio.TimeoutError, ValueError) as problem:
            self.wrong.append(f"no answer to {number}: {problem!r}")
            return
        if answer.status == 503 and "retry-after" in answer.headers:
            self.refused.add(number)
        elif answer.status == 201:
            self.acknowledged[number] = Order(json.loads(answer.text)["commit"], time.time())
        else:
            self.wrong.append(f"{number}: status {answer.status}: {answer.text[:300]}")

    def pause(self):
        """Nothing is on its way any more when this returns."""
        self.working.clear()
        end = time.monotonic() + 90
        time.sleep(2 * EVERY)
        while self.open and time.monotonic() < end:
            time.sleep(EVERY)

    def go_on(self):
        self.working.set()

    def list(self):
        answer = asyncio.run(self.ask("GET"))
        if answer.status != 200:
            raise Failed(f"the list of orders answers {answer.status}: {answer.text[:300]}")
        return json.loads(answer.text)


class Shop(RealSite):
    """Test and Live; the manifests lie in a bare repository, and a person works in a clone of it."""

    def __init__(self):
        super().__init__(("test", "live"))
        self.source = "file://" + self.at("fleet.git")
        self.tills = {}

    def __enter__(self):
        super().__enter__()
        self.first = self.code("shop")
        with open(self.at("secrets", "sites", "acme", "post-token"), encoding="utf-8") as file:
            token = file.read()
        self.tills = {stage: Till(f"http://127.0.0.1:{self.ports[stage]}", token) for stage in self.stages}
        return self

    def __exit__(self, *error):
        self.tills["live"].ended.set()
        super().__exit__(*error)

    def fleet(self, *arguments):
        return self.run("git", "-C", self.at("fleet.git"), *arguments).stdout.strip()

    def commit(self, message):
        if os.path.isdir(self.at("fleet.git")):
            self.git("pull", "-q", "--ff-only", "origin", "main")
        else:
            self.run("git", "init", "-q", "--bare", "-b", "main", self.at("fleet.git"))
            self.git("remote", "add", "origin", self.at("fleet.git"))
        super().commit(message)
        return self.push()

    def push(self):
        self.git("push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def proposed(self, message, branch):
        """What `plan` says of a commit that nobody merged yet."""
        super().commit(message)
        self.git("push", "-q", "-f", "origin", f"HEAD:{branch}")
        planned = self.run(PROGRAM, "plan", "--manifests", f"{self.source}@{branch}", "--secrets", self.at("secrets"),
                           "--state", self.at("state", "state.db"), check=False)
        expect(f"`plan` of branch {branch} has something to do", planned.returncode == 2, planned.stdout + planned.stderr)
        return planned.stdout + planned.stderr

    def revert(self, commit):
        """By a person, with nothing but git."""
        self.git("pull", "-q", "--ff-only", "origin", "main")
        self.git("revert", "--no-edit", commit)
        say(f"commit: {self.git('log', '-1', '--format=%s')}")
        return self.push()

    def events(self):
        with open(self.at("controller.log"), encoding="utf-8") as log:
            return log.read()

    def operations(self):
        return json.loads(self.ask("history", "acme", "-o", "json").stdout)["operations"]

    def traces(self):
        """When each name below the environments was last changed; visitors' content apart."""
        found = {}
        for folder, folders, files in os.walk(self.at("root", "acme")):
            if os.path.basename(folder) == "content":
                folders[:] = []
            for name in [".", *files, *folders]:
                path = os.path.join(folder, name)
                found[path] = os.lstat(path).st_mtime_ns
        return found


def build_and_launch(site):
    say("a new shop: installed on Test and Live, then launched")
    site.declare()
    for spec in site.environments.values():
        spec["verify"]["retryFor"] = "3s"
    site.web_server()
    site.commit("The shop")
    site.start_controller()
    for stage in site.stages:
        site.until(f"{stage} runs the shop", lambda s=stage: site.runs(s, site.first))
    site.site["launched"] = True
    site.environments["live"]["onFailure"] = {"rollback": True, "restoreContent": "whenUpdated", "revertManifest": True}
    site.commit("Live is live")
    site.until("the launch is recorded", lambda: json.load(open(site.place("live", ".tidegate", "state.json"), encoding="utf-8"))["launched"])
    site.tills["live"].start()


# ---- a person's revert of a content generation ----

def content(site):
    return site.record("test")["content"]["databases"]


def numbers(till):
    return {order["number"] for order in till.list()["orders"]}


def until_test(site, what, commit, generation):
    site.until(what, lambda: site.runs("test", commit) and content(site)["generation"] == generation)


def mark(site, number):
    """A tester's order, by which people know Test's content again."""
    asyncio.run(site.tills["test"].sell(number))
    expect(f"a tester's order {number} is on Test", number in numbers(site.tills["test"]))


def bring_kept_content_back(site):
    say("a person's revert of a content generation")
    site.environments["test"]["content"] = {"source": "live", "generation": 1}
    site.commit("Live's content on Test")
    until_test(site, "Test has generation 1", site.first, 1)
    taken = content(site)["takenAt"]
    mark(site, "900001")
    second = site.code("schema-2")
    site.environments["test"].update(code={"commit": second}, content={"source": "live", "generation": 2})
    asked = site.commit("New code and newer content on Test")
    until_test(site, "Test has generation 2", second, 2)
    expect("the tester's order went with generation 1", "900001" not in numbers(site.tills["test"]))
    mark(site, "900002")
    back = site.revert(asked)
    until_test(site, "generation 1 is back, with the code of before", site.first, 1)
    expect("it is the kept content, not a new copy", content(site)["takenAt"] == taken and "900001" in numbers(site.tills["test"]))
    forth = site.revert(back)
    until_test(site, "the revert of the revert brings generation 2 back", second, 2)
    expect("with the order made on it", {"900002"} == numbers(site.tills["test"]) & {"900001", "900002"})
    expect("nobody but a person wrote it", site.fleet("rev-parse", "main") == forth)
    site.environments["test"]["content"]["generation"] = 1
    site.commit("The content alone goes back")
    until_test(site, "generation 1 is back, with the code that the manifest names", second, 1)
    expect("as it was kept", content(site)["takenAt"] == taken and "900001" in numbers(site.tills["test"]))
    probe = json.loads(site.get("test", "/probe.php").partition("\n\n")[2])
    expect("and updated for that code", probe["schema"] == probe["row_schema"] == probe["option_schema"], probe)
    return second


# ---- a release that fails where visitors look ----

def account(site, lost_on=None):
    """Every order on Live: acknowledged and there, or refused and not; those that release `lost_on` took are not there,
    and no others are missing. Gives the lost ones, as a whole."""
    till = site.tills["live"]
    till.pause()
    expect("no order failed", till.wrong == [], till.wrong[:5])
    there = till.list()["orders"]
    present = {order["number"] for order in there}
    half = [order for order in there if order["lines"] != LINES or not order["whole"]]
    expect("no order is there by halves", half == [], half[:5])
    expect("none is there that was refused", not present & till.refused, sorted(present & till.refused)[:5])
    expect("none is there that nobody acknowledged", present <= till.acknowledged.keys(), sorted(present - till.acknowledged.keys())[:5])
    missing = till.acknowledged.keys() - present
    lost = {number: order for number, order in till.acknowledged.items() if order.commit == lost_on}
    expect(f"of {len(till.acknowledged)} acknowledged {len(missing)} are missing, as told", missing == lost.keys(),
           f"{sorted(missing)[:5]} … instead of {sorted(lost)[:5]} …")
    till.go_on()
    return lost


def columns(site):
    return site.tills["live"].list()["columns"]


OLD = {"shop_orders": ["number", "total"], "shop_order_lines": ["number", "line", "article", "amount", "cents"]}
NEW = {"shop_orders": OLD["shop_orders"] + ["currency"], "shop_order_lines": OLD["shop_order_lines"] + ["taxed"]}


def fail_on_live(site, bad):
    """Promotes it to Live. Gives the manifest commit that asked, the one that took that back, and the failed operation."""
    before = site.fleet("show", "main:acme.yaml")
    failed = len([o for o in site.operations() if o["result"] == "failed"])
    taken = len(site.tills["live"].acknowledged)
    site.environments["live"]["code"] = {"commit": bad}
    asked = site.commit("Promote the new shop")
    site.until("it failed", lambda: len([o for o in site.operations() if o["result"] == "failed"]) == failed + 1)
    site.until("the revert is in git", lambda: site.fleet("rev-parse", "main") != asked)
    site.until("Live runs the shop of before", lambda: site.runs("live", site.first))
    site.until("all is converged", site.converged)
    site.until("orders come in again", lambda: len(site.tills["live"].acknowledged) > taken + 20)
    operation = next(o for o in site.operations() if o["result"] == "failed")
    expect("the document is what it was", site.fleet("show", "main:acme.yaml") == before)
    expect("by one commit on what was asked", site.fleet("rev-parse", "main~1") == asked)
    expect("by Tidegate", site.fleet("log", "-1", "--format=%an", "main") == "Tidegate")
    message = site.fleet("log", "-1", "--format=%B", "main")
    for text in (f"Revert acme/live to {site.first[:12]}: verification failed\n",
                 f"Site Team <site@example.org> asked for {bad[:12]} in manifest commit {asked[:12]}:\n    Promote the new shop\n",
                 f"Operation {operation['id']} (promote) failed where visitors look", "500",
                 f"Tidegate-Operation: {operation['id']}"):
        expect(f"git says: {text.strip().splitlines()[0]}", text in message, message)
    expect("it is told", f"manifest commit {asked[:7]}" in site.events() and "ManifestReverted" in site.events())
    site.environments["live"]["code"] = {"commit": site.first}
    return operation


def look_again(site):
    """Several looks later nothing was done or written."""
    site.until("all is converged", site.converged)
    head, operations, traces = site.fleet("rev-parse", "main"), site.operations(), site.traces()
    planned = site.ask("plan")
    expect("`plan` has nothing to do", planned.returncode == 0, planned.stdout + planned.stderr)
    time.sleep(6)  # Longer than from one look to the next.
    expect("nothing was written into git", site.fleet("rev-parse", "main") == head)
    expect("no operation was started", site.operations() == operations)
    after = site.traces()
    changed = sorted(path for path in traces.keys() | after.keys() if traces.get(path) != after.get(path))
    expect("no file was touched", changed == [], changed[:10])


def restore_what_was_updated(site, bad):
    say("a release fails after the switch; its databases go back with it")
    site.environments["live"]["code"] = {"commit": bad}
    warned = site.proposed("Promote the new shop", "next")
    expect("`plan` warned of what that may lose", "a failure after the switch would put the databases back as they were before "
           "update; what visitors write while verification lasts (retryFor 3s) would be lost" in warned, warned)
    site.git("reset", "-q", "--hard", "origin/main")
    operation = fail_on_live(site, bad)
    told = re.search(r"; its databases were put back: what was written in (\d+) seconds? since the switch is lost$", operation["message"])
    expect("the event says how many seconds are lost", told, operation["message"])
    lost = account(site, lost_on=bad)
    seconds, times = int(told[1]), sorted(order.at for order in lost.values())
    expect(f"{len(lost)} orders of {seconds} s are lost, which is no more than were placed in them", 0 < len(lost) <= seconds / EVERY + 1)
    expect("and all were placed within them", times[-1] - times[0] <= seconds, times[-1] - times[0])
    expect("the tables are what they were", columns(site) == OLD, columns(site))
    look_again(site)
    return set(lost)


def keep_what_visitors_wrote(site, bad, lost):
    say("it fails once more; what visitors wrote stays")
    site.environments["live"]["onFailure"]["restoreContent"] = "never"
    site.commit("Orders stay, whatever happens")
    operation = fail_on_live(site, bad)
    expect("the event says of no loss", "lost" not in operation["message"], operation["message"])
    taken = [n for n, order in site.tills["live"].acknowledged.items() if order.commit == bad and n not in lost]
    expect(f"{len(taken)} orders were taken by the release that failed", taken)
    for number in lost:  # Answered for already.
        del site.tills["live"].acknowledged[number]
    account(site)
    expect("the tables are what the update made of them", columns(site) == NEW, columns(site))
    look_again(site)


def main():
    with Shop() as site:
        build_and_launch(site)
        bring_kept_content_back(site)
        bad = site.code("shop-update", "--only-in", "live")
        site.environments["test"]["code"] = {"commit": bad}
        site.commit("The new shop on Test")
        site.until("Test has proven it", lambda: site.runs("test", bad))
        lost = restore_what_was_updated(site, bad)
        keep_what_visitors_wrote(site, bad, lost)
        till = site.tills["live"]
        say(f"{len(till.acknowledged) + len(lost)} orders acknowledged, {len(till.refused)} refused, {len(lost)} lost as told")
        site.stop_controller()


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
