"""The program is killed in each phase of each operation, and started again."""
import itertools
import json
import os
import shutil
import subprocess
import time
import unittest

from gated import GatedSite
from harness import PROGRAM
from watch import Reader, kill

MIGRATION = "<?php $d = new PDO('sqlite:' . substr(getenv('DATABASE_URL'), 10)); $d->exec('{}');"


class Promote(GatedSite):
    def test_a_promotion_is_killed_at_each_command(self):
        controller = self.begin()
        for number, name in enumerate(("build", "verify", "clearCache", "verifyLive"), 2):
            with self.subTest(name):
                key = (name, "-" if name == "build" else "dev")
                self.gate.stop_at(key)
                commit = self.commit_page(number)
                self.kill_at(controller, key)
                self.assertIn(self.page("dev"), (str(number - 1), str(number)))
                controller = self.start_controller()
                self.converge("dev", commit=commit)
                self.assertEqual(self.page("dev"), str(number))
        self.end_watch()
        self.assert_history_is_closed()

    def test_a_promotion_is_killed_between_its_commands(self):
        many = {f"lib/{n}.php": str(n) for n in range(1500)}
        controller = self.begin()
        self.commit_page(2, **many)
        self.until("dev runs the large tree", lambda: self.settled("dev") and self.page("dev") == "2")
        numbers = itertools.count(3)
        for phase in ("code", "switch", "verify"):
            with self.subTest(phase):
                wanted = self.catch("dev", phase, lambda: {"commit": self.commit_page(next(numbers))})
                kill(controller)
                controller = self.start_controller()
                self.converge("dev", **wanted)
        self.end_watch()
        self.assert_history_is_closed()

    def test_an_apply_is_killed_and_the_next_one_takes_up(self):
        self.apply(0)
        for number, name in enumerate(("verify", "clearCache"), 2):
            with self.subTest(name):
                self.gate.stop_at((name, "dev"))
                commit = self.commit_page(number)
                self.write_manifests()
                apply = subprocess.Popen([PROGRAM, "apply", *self.given()], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                self.kill_at(apply, (name, "dev"))
                self.assertIsNotNone(self.journal("dev"))
                self.apply(0)
                self.assertTrue(self.settled("dev", commit=commit))
                self.assert_whole()
        self.assert_history_is_closed()

    def test_going_back_to_a_kept_release_is_killed(self):
        controller = self.begin()
        commits, releases = [self.first], [self.running("dev")]
        commits.append(self.commit_page(2))
        self.converge("dev", commit=commits[1])
        releases.append(self.running("dev"))
        for turn, name in enumerate(("verify", "clearCache", "verifyLive")):
            with self.subTest(name):
                self.gate.stop_at((name, "dev"))
                self.environments["dev"]["code"] = {"commit": commits[turn % 2]}
                self.tell()
                self.kill_at(controller, (name, "dev"))
                controller = self.start_controller()
                self.converge("dev", commit=commits[turn % 2])
                self.assertEqual(self.running("dev"), releases[turn % 2])
        self.end_watch()
        self.assert_history_is_closed()


class Content(GatedSite):
    def test_a_sync_is_killed_at_each_command_and_while_it_copies(self):
        controller = self.begin()
        for number in range(800):
            with open(self.place("live", "current/code/web/uploads", f"{number}.txt"), "w", encoding="utf-8") as out:
                out.write("upload")
        generations = itertools.count(2)

        def ask():
            wanted = {"generation": next(generations)}
            self.environments["test"]["content"] = {"source": "live", **wanted}
            self.tell()
            return wanted

        for name in ("content", "afterCopy", "verify", "clearCache", "verifyLive"):
            with self.subTest(name):
                acknowledged = len(self.writer.acknowledged)
                if name == "content":
                    wanted = self.catch("test", name, ask)
                    kill(controller)
                else:
                    self.gate.stop_at((name, "test"))
                    wanted = ask()
                    self.kill_at(controller, (name, "test"))
                self.assertEqual(self.page("test"), "1")
                controller = self.start_controller()
                self.converge("test", **wanted)
                self.assert_rows(self.writer, "test", acknowledged)
                self.assertEqual(len(os.listdir(self.place("test", "current/code/web/uploads"))), 800)
        self.end_watch()
        self.assert_history_is_closed()

    def test_a_wipe_is_killed_at_each_command(self):
        controller = self.begin()
        for generation, name in enumerate(("install", "verify", "clearCache", "verifyLive"), 2):
            with self.subTest(name):
                self.query("dev", "create table mine(x)")
                self.gate.stop_at((name, "dev"))
                self.environments["dev"]["content"] = {"source": "empty", "generation": generation}
                self.tell()
                self.kill_at(controller, (name, "dev"))
                controller = self.start_controller()
                self.converge("dev", generation=generation)
                self.assertEqual(self.query("dev", "select count(*) from sqlite_master"), [(0,)])
        self.end_watch()
        self.assert_history_is_closed()

    def test_a_creation_is_killed_at_each_command(self):
        self.gate.stop_at(("build", "-"), ("install", "dev"), ("verify", "test"), ("clearCache", "live"))
        controller = self.start_controller()
        for key in (("build", "-"), ("install", "dev"), ("verify", "test"), ("clearCache", "live")):
            stops = self.gate.stops - {key}
            self.kill_at(controller, key)
            if key == ("build", "-"):
                for environment in self.environments:
                    self.assertFalse(os.path.lexists(self.place(environment, "current")))
            self.gate.stop_at(*stops)
            controller = self.start_controller()
        for environment in ("dev", "test", "live"):
            self.converge(environment, commit=self.first)
        self.assert_history_is_closed()


class Update(GatedSite):
    """A new commit whose update changes kept databases: `begin` renames a table, `end` renames it back."""
    updates = ["php begin.php", "update", "php end.php"]

    def setUp(self):
        super().setUp()
        self.gate.codes["updatePending"] = 1
        commands = self.site["application"]["commands"]
        commands["update"] = [self.gate.command(line) if line == "update" else line for line in self.updates]
        self.environments["test"]["content"] = self.environments["dev"]["content"] = {"source": "keep"}
        for environment in self.environments.values():
            environment["deploy"] = {"update": False}

    def commit_update(self, number):
        return self.commit_page(number, **{
            "begin.php": MIGRATION.format(f"insert into updates values ({number}); alter table rows rename to half;"),
            "end.php": MIGRATION.format("alter table half rename to rows;")})

    def check_page(self, page, connection):
        """The code of a page and the database it meets are of one update."""
        wrong = super().check_page(page, connection)
        (newest,), = connection.execute("select max(number) from updates").fetchall()
        connection.execute("select count(*) from rows").fetchall()
        return wrong or (None if newest == int(page) else f"page {page} on a database at {newest}")

    def prepare(self, rounds):
        """Proves commits from the bottom up, so that all three stages can move at once afterwards."""
        controller = self.begin(pages=False)
        commits = {1: self.first}
        numbers = {"dev": 1, "test": 1, "live": 1}
        self.environments["dev"]["code"] = {"commit": self.first}
        for number in (2, 3):
            commits[number] = self.commit_update(number)
            self.environments["dev"]["code"] = {"commit": commits[number]}
            self.tell()
            self.converge("dev", commit=commits[number])
            numbers["dev"] = number
            if number == 2:
                self.environments["test"]["code"] = {"commit": commits[2]}
        self.tell()
        self.converge("test", commit=commits[2])
        numbers["test"] = 2
        for number in range(4, 4 + rounds):
            commits[number] = self.commit_update(number)
        for name, environment in self.environments.items():
            environment["deploy"] = {"update": True}
            self.query(name, "create table updates(number integer)")
            self.query(name, f"insert into updates values ({numbers[name]})")
        self.readers = [self.watch(Reader(self.place, e, self.check_page)) for e in ("dev", "test", "live")]
        return controller, commits, numbers

    def test_an_update_of_kept_content_is_killed_at_each_command(self):
        rounds = [{"dev": "updatePending", "test": "update", "live": "verify"},
                  {"dev": "maintenanceOff", "test": "clearCache", "live": "update"},
                  {"dev": "update", "test": "maintenanceOn", "live": "verifyLive"}]
        controller, commits, numbers = self.prepare(len(rounds))
        for stops in rounds:
            with self.subTest(stops):
                keys = [(name, environment) for environment, name in stops.items()]
                self.gate.stop_at(*keys)
                for name in numbers:
                    numbers[name] += 1
                    self.environments[name]["code"] = {"commit": commits[numbers[name]]}
                self.tell()
                self.kill_at(controller, *keys)
                controller = self.start_controller()
                for name, number in numbers.items():
                    self.until(f"{name} runs {number}", lambda n=name, c=commits[number]: self.settled(n, commit=c))
                self.assert_whole()
                for name, number in numbers.items():
                    self.assertEqual(self.query(name, f"select count(*) from updates where number = {number}"), [(1,)], name)
        self.end_watch()
        self.assertGreater(sum(reader.closed for reader in self.readers), 0)
        self.assert_history_is_closed()

    def test_a_failing_update_is_killed_on_its_way_back(self):
        controller, commits, _ = self.prepare(1)
        self.gate.codes[("update", "live")] = 1
        # Stopped while the way back runs maintenanceOff: the databases are back, nobody was let in.
        self.gate.stop_at(("undo", "live"))
        self.environments["live"]["code"] = {"commit": commits[2]}
        self.tell()
        self.kill_at(controller, ("undo", "live"))
        self.assertTrue(os.path.exists(self.place("live", "maintenance")))
        self.assertEqual(self.query("live", "select name from sqlite_master order by name"), [("rows",), ("updates",)])
        self.start_controller()
        self.until("live is held", lambda: [h["reason"] for h in self.status("live")["holds"]] == ["Quarantined"])
        self.assert_whole()
        self.assertIn("update", self.status("live")["holds"][0]["message"])
        self.assertEqual(self.page("live"), "1")
        acknowledged = len(self.writer.acknowledged)
        self.until("the writer is let in again", lambda: len(self.writer.acknowledged) > acknowledged + 20)
        self.end_watch()
        self.assertEqual([o["result"] for o in self.history() if o["environment"] == "live"][0], "failed")

    def test_a_way_back_is_killed_after_visitors_were_let_in(self):
        """The saved copies go first; what is left to undo must not need them, nor forget new rows."""
        many = {f"lib/{n}.php": str(n) for n in range(1500)}
        controller, commits, _ = self.prepare(0)
        commits[4] = self.commit_page(4, **many, **{"begin.php": MIGRATION.format("alter table rows rename to half;")})
        self.gate.codes[("update", "dev")] = 1
        self.environments["dev"]["code"] = {"commit": commits[4]}
        self.tell()
        saved, end = None, time.monotonic() + 60
        while (saved is None or os.path.exists(saved)) and time.monotonic() < end:
            found = self.journal("dev")
            if found and found["saved"]:
                saved = os.path.dirname(found["saved"][0]["savedAs"])
        kill(controller)
        self.assertIsNotNone(self.journal("dev"), "the kill came too late")
        self.assertFalse(os.path.exists(self.place("dev", "maintenance")))
        self.query("dev", "insert into rows values (-1)")
        self.start_controller()
        self.until("dev is held", lambda: [h["reason"] for h in self.status("dev")["holds"]] == ["Quarantined"])
        self.assert_whole()
        self.assertEqual(self.query("dev", "select number from rows"), [(-1,)])
        self.assertEqual(self.page("dev"), "3")


class Damage(GatedSite):
    """What is not the program's doing: lost and damaged memory, a full disk, closed doors."""

    def everything(self):
        out = {}
        for folder, folders, files in os.walk(self.path("root")):
            for name in [*folders, *files]:
                path = os.path.join(folder, name)
                if not os.path.basename(path).startswith("lock"):
                    out[path] = os.lstat(path).st_mtime_ns
        return out

    def interrupted_sync(self):
        """Everything is there; a sync of test was killed while its prepared release was verified."""
        self.apply(0)
        self.query("live", "create table rows(number integer)")
        self.query("live", "insert into rows values (1)")
        self.environments["test"]["content"]["generation"] = 2
        self.gate.stop_at(("verify", "test"))
        self.write_manifests()
        apply = subprocess.Popen([PROGRAM, "apply", *self.given()], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.kill_at(apply, ("verify", "test"))
        return self.place("test", ".tidegate", "journal.json")

    def test_a_damaged_journal_is_named_and_nothing_is_touched(self):
        journal = self.interrupted_sync()
        with open(journal, "w", encoding="utf-8") as out:
            out.write('{"operation": "1a1f')
        before = self.everything()
        done = self.apply(3)
        self.assertIn(journal, done.stdout + done.stderr)
        self.assertEqual(self.everything(), before)
        os.remove(journal)
        self.apply(0)
        self.assertEqual(self.query("test", "select number from rows"), [(1,)])

    def test_a_damaged_memory_is_named_and_nothing_is_touched(self):
        self.apply(0)
        record = self.place("live", ".tidegate", "state.json")
        shutil.copy(record, self.path("state.json"))
        with open(record, "w", encoding="utf-8") as out:
            out.write("{}")
        before = self.everything()
        done = self.apply(3)
        self.assertIn(f'damaged record "{record}"', done.stdout + done.stderr)
        self.assertEqual(self.everything(), before)
        shutil.copy(self.path("state.json"), record)
        self.apply(0)

    def test_a_lost_memory_is_rebuilt_and_destroys_nothing(self):
        self.apply(0)
        self.site["launched"] = True
        self.apply(0)
        for environment in self.environments:
            self.query(environment, "create table mine(x)")
            os.remove(self.place(environment, ".tidegate", "state.json"))
        os.remove(self.path("state.db"))
        running = {environment: self.running(environment) for environment in self.environments}
        self.plan(0)
        self.apply(0)
        for environment in self.environments:
            self.assertEqual(self.running(environment), running[environment])
            self.assertEqual(self.query(environment, "select name from sqlite_master"), [("mine",)])
        self.plan(0)

    def test_a_lost_memory_does_not_forget_a_launch(self):
        self.apply(0)
        self.site["launched"] = True
        self.apply(0)
        self.query("live", "create table mine(x)")
        os.remove(self.place("live", ".tidegate", "state.json"))
        self.site["launched"] = False
        self.environments["live"]["content"] = {"source": "empty", "generation": 9}
        self.assertIn("LaunchedOnce", self.apply(3).stdout)
        self.assertEqual(self.query("live", "select name from sqlite_master"), [("mine",)])

    def test_an_interrupted_operation_is_undone_without_its_secret(self):
        os.makedirs(self.path("secrets/sites/acme"))
        secret = self.path("secrets/sites/acme/smtp")
        with open(secret, "w", encoding="utf-8") as out:
            out.write("one-two-three-four")
        self.environments["test"]["secrets"] = {"SMTP": "smtp"}
        self.interrupted_sync()
        os.rename(secret, secret + ".away")
        done = self.apply(3)
        self.assertIn('smtp', done.stdout)
        self.assert_whole()
        os.rename(secret + ".away", secret)
        self.apply(0)
        self.assertEqual(self.query("test", "select number from rows"), [(1,)])

    def test_content_that_cannot_be_written_leaves_the_release_running(self):
        self.apply(0)
        running = self.running("test")
        self.environments["test"]["content"]["generation"] = 2
        content = self.place("test", "content")
        if os.geteuid() == 0:
            self.mount("--bind", content, content)
            subprocess.run(["mount", "-o", "remount,bind,ro", content], check=True)
        else:
            os.chmod(content, 0o555)
        done = self.apply(1)
        self.assertIn(content, done.stderr + done.stdout)
        self.assertEqual(self.running("test"), running)
        self.query("live", "pragma integrity_check")
        if os.geteuid() == 0:
            subprocess.run(["umount", content], check=True)
        else:
            os.chmod(content, 0o755)
        self.retry_now()
        self.apply(0)
        self.assert_whole()

    def retry_now(self):
        self.assertEqual(self.run_program("retry", "acme/test", *self.state()).returncode, 0)

    def mount(self, *arguments):
        subprocess.run(["mount", *arguments], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", arguments[-1]], check=False, stderr=subprocess.DEVNULL)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_a_disk_that_fills_up_is_told_and_left_as_it_was(self):
        self.mount("-t", "tmpfs", "-o", "size=6m,mode=0755", "tmpfs", self.path("root"))
        self.apply(0)
        running = self.running("test")
        with open(self.place("live", "current/code/web/uploads/large"), "wb") as out:
            out.write(os.urandom(3 << 20))
        self.environments["test"]["content"]["generation"] = 2
        done = self.apply(1)
        self.assertIn("disk full", done.stderr)
        self.assertEqual(self.running("test"), running)
        self.assert_whole()
        self.assertIn("disk full", self.status("test")["conditions"][0]["message"])
        os.remove(self.place("live", "current/code/web/uploads/large"))
        self.retry_now()
        self.apply(0)
        self.assertEqual(self.record("test")["content"]["files"]["generation"], 2)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_a_disk_without_a_byte_left_is_told_and_the_release_runs_on(self):
        self.mount("-t", "tmpfs", "-o", "size=6m,mode=0755", "tmpfs", self.path("root"))
        controller = self.start_controller()
        for environment in ("test", "live"):
            self.converge(environment, generation=1 if environment == "test" else 0)
        running = self.running("test")
        self.fill(self.path("root", "foreign"))
        self.environments["test"]["content"]["generation"] = 2
        done = self.apply(1)
        self.assertIn("disk full", done.stdout + done.stderr)
        self.tell()
        self.until("the status says why", lambda: "disk full" in json.dumps(self.status("test")["conditions"]))
        self.assertEqual(self.running("test"), running)
        self.assertIsNone(controller.poll())
        os.remove(self.path("root", "foreign"))
        self.until("test has its content", lambda: self.settled("test", generation=2), 90)
        self.assert_whole()

    def fill(self, path):
        with open(path, "wb", buffering=0) as out:
            size = 1 << 16
            while size:
                try:
                    out.write(b"x" * size)
                except OSError:
                    size //= 2


if __name__ == "__main__":
    unittest.main(verbosity=2)
