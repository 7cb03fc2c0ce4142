"""What fails where visitors look goes back by itself: in the environment, in its databases where the manifest says so,
and in git."""
import http.server
import json
import os
import signal
import subprocess
import threading
import time
import unittest

from harness import Site, git

LIVE = """
# Live of acme; marketing reads this.
apiVersion: tidegate/v1
kind: Environment
metadata: {name: live, site: acme}   # the shop
spec:
  url: %(url)s
  previewUrl: %(preview)s
  verify: {retryFor: %(retry)s}
  onFailure: {rollback: true, restoreContent: %(restore)s, revertManifest: %(revert)s}
  code:
    commit: "%(commit)s"     # pinned by hand
%(more)s"""

UPDATE = """<?php
$d = new PDO("sqlite:" . substr(getenv("DATABASE_URL"), 10));
$d->exec("create table if not exists rows(number integer)");
$d->exec("alter table rows add column updated integer");
"""


class Pages:
    """What visitors of Live and of its preview are shown. A page that says "bad" is well on the preview alone."""

    def __init__(self, place):
        pages = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                preview = self.server is pages.preview
                try:
                    with open(place("live", "next" if preview else "current", "code", "web", "index.php"), encoding="utf-8") as file:
                        page = file.read()
                except OSError:
                    page = "bad"
                closed = not preview and os.path.exists(place("live", "maintenance"))
                self.send_response(503 if closed else 500 if "bad" in page and not preview else 200)
                self.end_headers()
                self.wfile.write(page.encode())
                if not preview and "bad" in page and not closed:
                    pages.shown.set()

            def log_message(self, *_):
                pass

        self.shown = threading.Event()
        self.public, self.preview = (http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
        for server in (self.public, self.preview):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self):
        for server in (self.public, self.preview):
            server.shutdown()
            server.server_close()


class Reverted(Site):
    """One stage, Live, pinned in a bare repository of manifests; a person works in a clone of it."""
    stages = ["live"]
    revert = "true"

    def setUp(self):
        super().setUp()
        self.pages = Pages(self.place)
        self.addCleanup(self.pages.close)
        self.live = {"url": f"http://127.0.0.1:{self.pages.public.server_address[1]}/",
                     "preview": f"http://127.0.0.1:{self.pages.preview.server_address[1]}/",
                     "restore": "never", "revert": self.revert, "commit": self.first, "retry": "0s", "more": ""}
        git(self.dir, "init", "-q", "--bare", "-b", "main", self.path("fleet.git"))
        git(self.dir, "clone", "-q", self.path("fleet.git"), self.path("fleet"))
        git(self.path("fleet"), "switch", "-q", "-c", "main")

    def write_manifests(self, directory=None):
        documents = [{"apiVersion": "tidegate/v1", "kind": "Driver", "metadata": {"name": "here"}, "spec": {"host": self.driver}},
                     {"apiVersion": "tidegate/v1", "kind": "Site", "metadata": {"name": "acme"}, "spec": self.site}]
        text = "# The fleet.\n" + "\n---\n".join(json.dumps(d) for d in documents) + "\n---" + LIVE % self.live
        with open(os.path.join(directory or self.path("manifests"), "acme.yaml"), "w", encoding="utf-8") as out:
            out.write(text)

    def push(self, message, rewrite=True):
        fleet = self.path("fleet")
        if rewrite:
            self.write_manifests(fleet)
        git(fleet, "add", "-A")
        git(fleet, "commit", "-q", "--allow-empty", "-m", message)
        commit = git(fleet, "rev-parse", "HEAD")
        if os.path.exists(self.held()):  # Nobody but this person gets through.
            git(fleet, "push", "-q", "origin", "HEAD:refs/heads/people")
            with open(self.path("moving"), "w", encoding="utf-8") as out:
                out.write(commit + "\n")
            os.rename(self.path("moving"), self.path("fleet.git", "refs/heads/main"))
        else:
            git(fleet, "push", "-q", "origin", "HEAD:main")
        return commit

    def held(self):
        return self.path("fleet.git", "refs/heads/main.lock")

    def hold(self):
        with open(self.held(), "w", encoding="utf-8"):
            pass

    def controller(self):
        pager = {"name": "pager", "command": f"sh -c 'cat >> {self.path('paged')}; echo >> {self.path('paged')}'"}
        return self.start_controller(sources=[{"name": "fleet", "url": "file://" + self.path("fleet.git"), "interval": "1s"}], notify=[pager])

    def paged(self):
        with open(self.path("paged"), encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]

    def audited(self):
        done = self.run_program("audit", "export", *self.state())
        return [entry for entry in map(json.loads, done.stdout.splitlines()) if entry["kind"] == "revert"]

    def begin(self):
        self.good = self.push("Live runs one")
        controller = self.controller()
        self.until("live is there", lambda: self.settled(self.first))
        return controller

    def settled(self, commit):
        return self.record("live")["commit"] == commit and not os.path.exists(self.place("live", ".tidegate", "journal.json"))

    def fail_live(self, **files):
        """A person promotes a page that fails where visitors look."""
        self.bad = self.commit("bad", **files)
        self.live["commit"] = self.bad
        self.asked = self.push("Promote the bad page")
        return self.asked

    def fleet(self, *arguments):
        return git(self.path("fleet.git"), *arguments)

    def manifest(self, reference="main"):
        return self.fleet("show", f"{reference}:acme.yaml")

    def events(self):
        with open(self.path("controller.log"), encoding="utf-8") as log:
            return log.read()

    def reverted(self, reference="main"):
        return self.fleet("for-each-ref", "--format=%(authorname)", "refs/heads/" + reference) == "Tidegate"

    def wait_for_revert(self, reference="main"):
        self.until("the revert is in git", lambda: self.reverted(reference))

    def rest(self, controller):
        """Several looks and a new process later nothing more was written."""
        head = self.fleet("rev-parse", "main")
        time.sleep(3)
        self.assertIsNone(controller.poll())
        controller.send_signal(signal.SIGTERM)
        self.assertEqual(controller.wait(60), 0)
        controller = self.controller()
        time.sleep(4)
        self.assertEqual(self.fleet("rev-parse", "main"), head)
        return controller


class Git(Reverted):
    def test_live_is_back_and_the_revert_lands_in_git_with_who_what_and_why(self):
        controller = self.begin()
        before = self.manifest(self.good)
        self.fail_live()
        self.wait_for_revert()
        self.assertTrue(self.settled(self.first))
        self.assertEqual(self.manifest(), before)
        self.assertEqual(self.fleet("rev-parse", "main~1"), self.asked)
        message = self.fleet("log", "-1", "--format=%B", "main")
        operation = next(o for o in self.history() if o["result"] == "failed")
        lines = message.splitlines()
        self.assertEqual(lines[0], f"Revert acme/live to {self.first[:12]}: verification failed")
        self.assertEqual(lines[2:4], [f"Site Team <site@example.org> asked for {self.bad[:12]} in manifest commit {self.asked[:12]}:",
                                      "    Promote the bad page"])
        self.assertIn(f"Operation {operation['id']} (promote) failed where visitors look", message)
        self.assertIn("500", message)
        self.assertEqual(lines[-1], f"Tidegate-Operation: {operation['id']}")
        self.assertEqual(self.fleet("log", "-1", "--format=%(trailers:key=Tidegate-Operation,valueonly)", "main").strip(), operation["id"])
        self.until("it is told", lambda: "ManifestReverted" in self.events())
        self.until("and paged", lambda: "ManifestReverted" in [p["reason"] for p in self.paged()])
        paged = [p for p in self.paged() if p["type"] == "rolledBack"]
        self.assertEqual([(p["reason"], p["operation"]) for p in paged],
                         [("Quarantined", operation["id"]), ("ManifestReverted", operation["id"])])
        revert = self.fleet("rev-parse", "main")
        self.assertEqual((paged[1]["message"], paged[1]["author"], paged[1]["manifestRevision"]),
                         (f"manifest commit {self.asked[:7]} of Site Team <site@example.org> is taken back for acme/live by "
                          f"{revert[:7]} on \"main\"", "Site Team <site@example.org>", self.asked))
        before_it, after_it = self.audited()
        self.assertEqual((before_it["commit"], before_it["reference"], before_it["manifest"]["revision"], before_it["operation"]),
                         (revert, "refs/heads/main", self.asked, operation["id"]))
        self.assertEqual((after_it["outcome"], after_it["said"]), ("ManifestReverted", paged[1]["message"]))
        self.until("live is at rest", lambda: self.status("live")["conditions"][0]["reason"] == "Converged")
        controller = self.rest(controller)
        # Asked for once more by a person, it is theirs to try again: nobody fights with them.
        git(self.path("fleet"), "pull", "-q", "--ff-only", "origin", "main")
        again = self.push("Again")
        self.until("it is held", lambda: self.status("live")["conditions"][0]["reason"] == "Quarantined")
        self.rest(controller)
        self.assertEqual(self.fleet("rev-parse", "main"), again)

    def test_only_that_document_goes_back(self):
        self.begin()
        self.site["application"]["writable"] = ["web/cache"]
        self.fail_live()
        self.wait_for_revert()
        self.assertIn("web/cache", self.manifest())
        self.assertIn(self.first, self.manifest())
        self.assertNotIn(self.bad, self.manifest())

    def test_a_race_with_other_peoples_commits_is_won(self):
        self.begin()
        other = self.path("other")
        self.fail_live()
        git(self.dir, "clone", "-q", self.path("fleet.git"), other)
        pushed = []
        for number in range(200):
            if self.reverted() or any("Tidegate" in line for line in self.fleet("log", "--format=%an", "main").splitlines()):
                break
            with open(os.path.join(other, "notes.txt"), "a", encoding="utf-8") as out:
                out.write(f"{number}\n")
            git(other, "add", "-A")
            git(other, "commit", "-q", "-m", f"note {number}")
            if subprocess.run(["git", "-C", other, "push", "-q", "origin", "HEAD:main"], check=False, capture_output=True).returncode == 0:
                pushed.append(f"note {number}")
            else:
                git(other, "reset", "-q", "--hard", "HEAD~1")
                git(other, "pull", "-q", "--ff-only", "origin", "main")
        self.until("the revert is in git", lambda: "Tidegate" in self.fleet("log", "--format=%an", "main"))
        subjects = self.fleet("log", "--format=%s", "main").splitlines()
        self.assertEqual([s for s in reversed(subjects) if s.startswith("note ")], pushed)
        self.assertEqual(len([s for s in subjects if s.startswith("Revert ")]), 1)
        self.assertIn(self.first, self.manifest())

    def test_a_document_that_moved_on_is_left_alone(self):
        controller = self.begin()
        self.hold()
        self.fail_live()
        self.until("it is tried", lambda: "RevertFailed" in self.events())
        third = self.commit("three")
        self.live["commit"] = third
        moved = self.push("Live runs three")
        self.until("live runs three", lambda: self.settled(third))
        os.remove(self.held())
        self.rest(controller)
        self.assertEqual(self.fleet("rev-parse", "main"), moved)
        self.assertIn("RevertFailed", [entry.get("outcome") for entry in self.audited()])

    def test_a_document_that_moved_to_another_file_goes_back_there(self):
        self.begin()
        self.bad = self.commit("bad")
        self.live.update(commit=self.bad, more="  variables: {ONE: '1'}\n")
        self.write_manifests(self.path("fleet"))
        os.rename(self.path("fleet", "acme.yaml"), self.path("fleet", "sites.yaml"))
        self.push("Another file", rewrite=False)
        self.wait_for_revert()
        self.assertIn(self.first, self.fleet("show", "main:sites.yaml"))
        self.assertNotIn("ONE", self.fleet("show", "main:sites.yaml"))

    def test_a_new_environment_has_nothing_to_go_back_to(self):
        self.live["commit"] = self.commit("bad")
        asked = self.push("A new site")
        controller = self.controller()
        self.until("it is told", lambda: "there was nothing of acme/live to go back to" in self.events())
        self.rest(controller)
        self.assertEqual(self.fleet("rev-parse", "main"), asked)

    def test_a_controller_that_is_killed_before_the_push_writes_it_later(self):
        controller = self.begin()
        self.hold()
        self.fail_live()
        self.until("it is tried", lambda: "RevertFailed" in self.events())
        controller.kill()
        controller.wait()
        self.assertEqual(self.fleet("rev-parse", "main"), self.asked)
        os.remove(self.held())
        controller = self.controller()
        self.wait_for_revert()
        self.rest(controller)

    def test_a_controller_that_is_killed_right_after_the_push_writes_no_second_one(self):
        controller = self.begin()
        self.fail_live()
        end = time.monotonic() + 60
        while self.fleet("rev-parse", "main") == self.asked and time.monotonic() < end:
            pass
        controller.kill()
        controller.wait()
        self.assertTrue(self.reverted())
        os.rename(self.path("state.db"), self.path("state.lost"))  # What it remembered is lost as well.
        for name in ("state.db-wal", "state.db-shm"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        self.rest(self.controller())
        self.assertEqual(self.fleet("rev-list", "--count", f"{self.asked}..main"), "1")


class Branch(Reverted):
    revert = '{branch: "tidegate/{site}-{environment}"}'

    def test_the_revert_is_proposed_once_on_a_branch_and_plan_tells_what_it_would_do(self):
        controller = self.begin()
        self.fail_live()
        branch = "tidegate/acme-live"
        self.wait_for_revert(branch)
        self.until("it is told", lambda: "RevertProposed" in self.events())
        self.assertEqual(self.fleet("rev-parse", "main", branch + "~1").split(), [self.asked] * 2)
        proposed = self.fleet("rev-parse", branch)
        planned = self.run_program("plan", "--manifests", f"file://{self.path('fleet.git')}@{branch}", *self.state(), "-o", "json")
        self.assertEqual(planned.returncode, 0, planned.stdout + planned.stderr)
        self.assertTrue(json.loads(planned.stdout)["converged"])
        controller = self.rest(controller)
        self.assertEqual(self.fleet("rev-parse", branch), proposed)
        self.assertEqual(self.status("live")["conditions"][0]["reason"], "Quarantined")
        self.fleet("update-ref", "refs/heads/main", proposed)
        self.until("live is at rest", lambda: self.status("live")["conditions"][0]["reason"] == "Converged")

    def test_a_branch_with_commits_of_its_own_is_left_alone(self):
        controller = self.begin()
        git(self.path("fleet"), "switch", "-q", "-c", "tidegate/acme-live")
        git(self.path("fleet"), "commit", "-q", "--allow-empty", "-m", "mine")
        git(self.path("fleet"), "push", "-q", "origin", "tidegate/acme-live")
        mine = self.fleet("rev-parse", "tidegate/acme-live")
        git(self.path("fleet"), "switch", "-q", "main")
        self.fail_live()
        self.until("it is told", lambda: 'has commits that \\"main\\" has not; merge or delete it' in self.events()
                   or 'has commits that "main" has not; merge or delete it' in self.events())
        self.rest(controller)
        self.assertEqual(self.fleet("rev-parse", "tidegate/acme-live"), mine)


class Plans(Reverted):
    """A person's revert, before it is merged."""
    revert = "false"
    commands = {"update": ["sh -c 'if [ -e update.php ]; then php update.php; fi'"]}

    def test_plan_tells_what_a_revert_would_do_before_it_is_merged(self):
        self.begin()
        second = self.commit("two", **{"update.php": UPDATE})
        self.live["commit"] = second
        self.push("Live runs two")
        self.until("live runs two", lambda: self.settled(second))
        fleet = self.path("fleet")
        git(fleet, "switch", "-q", "-c", "back")
        git(fleet, "revert", "--no-edit", "HEAD")
        git(fleet, "push", "-q", "origin", "back")
        done = self.run_program("plan", "--manifests", f"file://{self.path('fleet.git')}@back", *self.state())
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn(f"promote {self.first[:7]}", done.stdout)
        self.assertIn(f"live: update changed the databases since {self.first[:7]} ran here; only the code goes back", done.stdout + done.stderr)
        self.assertIn("switching back to kept release 1; content stays", done.stdout)


class Content(Reverted):
    """What visitors wrote between the switch and going back."""
    revert = "false"
    commands = {"update": ["sh -c 'if [ -e update.php ]; then php update.php; fi'"]}

    def fail_after_writing(self, restore):
        self.live.update(restore=restore, retry="4s")
        self.begin()
        self.query("live", "create table rows(number integer)")
        self.query("live", "insert into rows values (1)")
        written = threading.Event()

        def write():
            self.pages.shown.wait(60)
            self.query("live", "insert into rows(number) values (2)")
            written.set()
        writer = threading.Thread(target=write)
        writer.start()
        self.fail_live(**{"update.php": UPDATE})
        writer.join()
        self.assertTrue(written.is_set())
        self.until("it failed", lambda: any(o["result"] == "failed" for o in self.history()))
        self.until("live is back", lambda: self.settled(self.first))
        return next(o for o in self.history() if o["result"] == "failed")

    def columns(self):
        return [row[1] for row in self.query("live", "pragma table_info(rows)")]

    def left(self):
        base = self.place("live", "content")
        return sorted(name for _, names, _ in os.walk(base) for name in names if name.endswith(".saved"))

    def test_by_default_what_was_written_stays(self):
        failed = self.fail_after_writing("never")
        self.assertEqual(self.query("live", "select number from rows order by 1"), [(1,), (2,)])
        self.assertEqual(self.columns(), ["number", "updated"])
        self.assertNotIn("lost", failed["message"])
        self.assertEqual(self.left(), [])

    def test_where_the_manifest_says_so_the_databases_go_back_and_what_that_lost_is_told(self):
        failed = self.fail_after_writing("whenUpdated")
        self.assertEqual(self.query("live", "select number from rows"), [(1,)])
        self.assertEqual(self.columns(), ["number"])
        told = r"; its databases were put back: what was written in \d+ seconds? since the switch is lost$"
        self.assertRegex(failed["message"], told)
        self.assertFalse(os.path.exists(self.place("live", "maintenance")))
        self.assertEqual(self.left(), [])
        self.until("it is held", lambda: self.status("live")["conditions"][0]["reason"] == "Quarantined")
        self.assertIn("since the switch is lost", self.status("live")["conditions"][0]["message"])
        log = self.run_program("logs", "acme/live", "--operation", failed["id"], *self.state()).stdout
        self.assertRegex(log, r"its databases were put back: what was written in \d+ seconds? since the switch is lost")

    def test_a_controller_killed_while_it_puts_them_back_goes_on_with_that(self):
        self.live.update(restore="whenUpdated", retry="1s")
        controller = self.begin()
        self.query("live", "create table rows(number integer)")
        self.fail_live(**{"update.php": UPDATE})
        self.until("visitors are shut out again", lambda: self.pages.shown.is_set() and os.path.exists(self.place("live", "maintenance")))
        controller.kill()
        controller.wait()
        self.assertTrue(os.path.exists(self.place("live", "maintenance")))
        self.controller()
        self.until("live is back", lambda: self.settled(self.first))
        self.assertEqual(self.columns(), ["number"])
        self.assertFalse(os.path.exists(self.place("live", "maintenance")))
        self.assertEqual(self.left(), [])
        self.until("it is told", lambda: "since the switch is lost" in self.status("live")["conditions"][0]["message"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
