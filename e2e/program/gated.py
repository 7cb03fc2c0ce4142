"""A site all of whose commands wait at a gate, and what must be true of it afterwards."""
import os

from harness import Site
from watch import Gate, Reader, Writer, kill, leftovers, read_json, wait_for_phase

STEPS = ("build", "afterCopy", "install", "updatePending", "maintenanceOn", "maintenanceOff", "clearCache")


class GatedSite(Site):
    """Every command of the site waits at the gate."""
    hooks = STEPS

    def setUp(self):
        super().setUp()
        self.gate = Gate(self.journal)
        self.addCleanup(self.gate.close)
        self.site["application"]["commands"] = {name: [self.gate.command(name)] for name in self.hooks}
        for environment in self.environments.values():
            environment["verify"] = {"commands": [self.gate.command("verify")]}
        self.watchers = []
        self.addCleanup(lambda: [watcher.end() for watcher in self.watchers])
        self.revisions = 0

    def journal(self, environment):
        return read_json(self.place(environment, ".tidegate", "journal.json"))

    def watch(self, watcher):
        self.watchers.append(watcher)
        watcher.start()
        return watcher

    def commit_page(self, number, **files):
        return self.commit(str(number), **{"web/index.php": str(number), **files})

    def tell(self):
        """Commits the manifests of now."""
        self.revisions += 1
        self.commit_manifests(f"change {self.revisions}")

    def kill_at(self, controller, *keys):
        """Kills the controller when commands wait at all these gates; they must be gone with it."""
        if not self.gate.wait("waiting", keys):
            self.fail(f"did not come to {keys}, only to {self.gate.seen[-12:]}\n{self.log()[-3000:]}\n{self.logs()}")
        kill(controller)
        self.assertTrue(self.gate.wait("ended", keys, 5), f"a command outlived its controller: {keys}")
        self.gate.open()

    def settled(self, environment, **wanted):
        record = read_json(self.place(environment, ".tidegate", "state.json"))
        if self.journal(environment) or not record or not record["current"]:
            return False
        release = self.record(environment)
        for name, value in wanted.items():
            if name == "generation":
                if any(content["generation"] != value for content in release["content"].values()):
                    return False
            elif release[name] != value:
                return False
        return os.path.realpath(self.place(environment, "current")).endswith("/" + record["current"]) and release["healthy"]

    def catch(self, environment, phase, ask):
        """Asks until an operation is seen in a phase that lasts a moment, missed at times on a busy
        machine. `ask` asks for one more and gives what is there when it has ended."""
        for _ in range(30):
            wanted = ask()
            if wait_for_phase(self.place(environment, ".tidegate", "journal.json"), {phase}, seconds=4):
                return wanted
            self.converge(environment, **wanted)
        self.fail(f"no operation was seen in phase {phase}")

    def converge(self, environment, **wanted):
        self.until(f"{environment} has {wanted}", lambda: self.settled(environment, **wanted))
        self.assert_whole(environment)

    def assert_whole(self, *environments):
        for environment in environments or self.environments:
            self.assertEqual(leftovers(lambda *names, e=environment: self.place(e, *names)), [], environment)
            self.assertEqual(self.query(environment, "pragma integrity_check"), [("ok",)])

    def assert_history_is_closed(self):
        self.until("no operation is open in the history", lambda: all(o["endedAt"] for o in self.history()))
        self.assertEqual({o["result"] for o in self.history()} - {"succeeded", "undone"}, set())

    def assert_rows(self, writer, environment="live", upto=None):
        there = {row for (row,) in self.query(environment, "select number from rows")}
        missing = [number for number in writer.acknowledged[:upto] if number not in there]
        self.assertEqual(missing, [], f"rows were acknowledged and are gone, of {len(writer.acknowledged)}")

    def begin(self, pages=True):
        """All three stages are there and run the first page; a writer is at work on Live, a reader everywhere."""
        self.first = self.commit_page(1)
        for name in ("test", "live"):
            self.environments[name]["code"] = {"commit": self.first}
        controller = self.start_controller()
        for environment in ("dev", "test", "live"):
            copied = self.environments[environment].get("content", {}).get("source") == "live"
            self.converge(environment, commit=self.first, generation=1 if copied else 0)
        for environment in ("dev", "test", "live"):
            self.query(environment, "create table rows(number integer)")
        self.writer = self.watch(Writer(self.place))
        self.readers = [self.watch(Reader(self.place, e, self.check_page)) for e in ("dev", "test", "live")] if pages else []
        return controller

    def check_page(self, page, connection):
        connection.execute("select count(*) from sqlite_master").fetchall()
        return None if page.strip().isdigit() else f"half a page: {page!r}"

    def end_watch(self):
        for watcher in self.watchers:
            watcher.end()
        for reader in self.readers:
            self.assertEqual(reader.wrong[:3], [], reader.environment)
            self.assertGreater(reader.reads, 20, reader.environment)
        self.assertGreater(len(self.writer.acknowledged), 20)
        self.assert_rows(self.writer)
