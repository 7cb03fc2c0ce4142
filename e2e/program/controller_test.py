"""The running controller, and the commands people use beside it."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from gated import GatedSite
from harness import PROGRAM, Site, git
from watch import leftovers

COMMENTED = """# The fleet of acme; the platform team reads this file too.
apiVersion: tidegate/v1
kind: Environment
metadata: {name: test, site: acme}   # pinned by hand
spec:
  # what visitors of test see
  code:
    commit: "%s"     # one for all

  content: { source: live }   # generation 1 so far
"""


class Running(Site):
    """A controller on a manifests repository of one file for each site or environment."""

    def setUp(self):
        super().setUp()
        self.others = {}

    def begin(self, **more):
        controller = self.start_controller(**more)
        for environment in ("test", "dev"):
            self.until(f"{environment} has its content", lambda e=environment: self.generation(e) == 1)
        return controller

    def generation(self, environment):
        return self.record(environment)["content"]["databases"]["generation"]

    def converged(self, environment="", site="acme"):
        return self.run_program("wait", site + ("/" + environment if environment else ""), "--timeout", "30s", *self.state()).returncode == 0

    def wait_for_page(self, environment, text, seconds=15):
        began = time.monotonic()
        self.until(f"{environment} shows {text}", lambda: text in self.page(environment), seconds)
        return time.monotonic() - began

    def put(self, name, text):
        with open(self.path("fleet", name), "w", encoding="utf-8") as out:
            out.write(text)

    def conditions(self, site="acme"):
        done = self.run_program("status", site, *self.state(), "-o", "json")
        return json.loads(done.stdout)["sites"][0]["conditions"]


class Follows(Running):
    def test_commits_in_both_repositories_are_acted_upon_within_seconds(self):
        self.begin()
        second = self.commit("two")
        self.assertLess(self.wait_for_page("dev", "two"), 8)
        self.environments["test"]["code"] = {"commit": second}
        revision = self.commit_manifests("test runs two")
        self.assertLess(self.wait_for_page("test", "two"), 8)
        self.until("the status knows the revision", lambda: self.converged() and self.status("test")["observed"]["commit"] == second)
        latest = self.history()[0]
        self.assertEqual((latest["manifestRevision"], latest["author"]), (revision, "Site Team <site@example.org>"))
        git(self.path("fleet"), "revert", "--no-edit", "HEAD")
        self.assertLess(self.wait_for_page("test", "one"), 8)

    def test_a_poisoned_document_delays_nobody_and_is_told(self):
        self.begin()
        bolt = json.dumps({"apiVersion": "tidegate/v1", "kind": "Site", "metadata": {"name": "bolt"}, "spec": {**self.site, "stages": ["shop"]}})
        shop = json.dumps({"apiVersion": "tidegate/v1", "kind": "Environment", "metadata": {"name": "shop", "site": "bolt"}, "spec": {"code": {"branch": "main"}}})
        self.put("bolt.yaml", bolt)
        self.put("shop.yaml", shop)
        self.commit_manifests("bolt")
        self.until("bolt is there", lambda: os.path.exists(self.path("root/bolt/shop/current")))
        self.put("shop.yaml", shop.replace('"branch"', '"brunch"'))
        self.put("nonsense.yaml", "a: [1, 2\n")
        second = self.commit("two")
        self.environments["test"]["code"] = {"commit": second}
        self.commit_manifests("poison")
        self.assertLess(self.wait_for_page("test", "two"), 8)
        self.until("bolt's status tells", lambda: self.conditions("bolt"))
        told = self.conditions("bolt")[0]
        self.assertEqual(told["reason"], "Invalid")
        self.assertRegex(told["message"], r"^shop\.yaml:1:\d+: spec\.code")
        self.assertEqual(self.conditions("acme"), [])
        self.assertIn("nonsense.yaml:", self.log())
        self.assertTrue(os.path.exists(self.path("root/bolt/shop/current/code")))
        self.put("shop.yaml", shop)
        self.commit_manifests("mended")
        self.until("bolt is well again", lambda: not self.conditions("bolt"))

    def test_a_manifests_repository_that_is_lost_changes_nothing_and_is_told(self):
        self.begin()
        before = {environment: self.running(environment) for environment in self.environments}
        fleet = self.path("fleet")
        git(fleet, "rm", "-q", "-r", ".")
        git(fleet, "commit", "-q", "-m", "everything is gone")
        self.until("emptiness is told", lambda: "holds no" in self.log())
        self.assertEqual(self.status("live")["conditions"][0]["reason"], "Converged")
        git(fleet, "revert", "--no-edit", "HEAD")
        self.until("it is readable again", lambda: "manifests are readable again" in self.log())
        os.rename(fleet, fleet + ".away")
        self.until("it is told", lambda: self.log().count("manifests cannot be read; the last good state stays") == 2)
        self.commit("two")
        self.wait_for_page("dev", "two")  # Without the manifests the code is followed all the same.
        os.mkdir(fleet)
        shutil.copy(self.path("tidegate.yaml"), fleet)
        self.until("not a repository is told", lambda: self.log().count("manifests cannot be read") >= 2 and "readable" in self.log())
        time.sleep(1.5)
        self.assertEqual(self.running("live"), before["live"])
        shutil.rmtree(fleet)
        os.rename(fleet + ".away", fleet)
        self.until("it is readable again", lambda: self.log().count("manifests are readable again") == 2)
        self.environments["dev"]["variables"] = {"AGAIN": "1"}
        self.commit_manifests("goes on")
        self.until("the next commit is acted upon", lambda: self.variables("dev").get("AGAIN") == "1")
        self.assertEqual(self.running("test"), before["test"])

    def test_a_rewritten_branch_is_followed_and_told(self):
        self.begin()
        self.environments["dev"]["variables"] = {"ONE": "1"}
        self.commit_manifests("one")
        self.until("it is acted upon", lambda: self.variables("dev").get("ONE") == "1")
        self.environments["dev"]["variables"] = {"TWO": "2"}
        git(self.path("fleet"), "reset", "-q", "--hard", "HEAD~1")
        self.commit_manifests("another one")
        self.until("it is followed", lambda: self.variables("dev").get("TWO") == "2")
        self.assertIn("SourceRewritten", self.log())

    def test_the_configuration_is_read_again(self):
        controller = self.begin()
        with open(self.path("tidegate.yaml"), encoding="utf-8") as file:
            configuration = json.load(file)
        with open(self.path("tidegate.yaml"), "w", encoding="utf-8") as out:
            out.write("kind: Nonsense\n")
        controller.send_signal(signal.SIGHUP)
        self.until("the problem is told", lambda: "configuration is broken; the old one stays" in self.log())
        self.commit("two")
        self.wait_for_page("dev", "two")
        os.rename(self.path("fleet"), self.path("moved"))
        configuration["sources"][0]["url"] = self.path("moved")
        with open(self.path("tidegate.yaml"), "w", encoding="utf-8") as out:
            json.dump(configuration, out)
        controller.send_signal(signal.SIGHUP)
        self.until("it was read", lambda: "configuration read again" in self.log())
        os.rename(self.path("moved"), self.path("away"))  # Lost before it was ever read: what is known stays.
        self.commit("three")
        self.wait_for_page("dev", "three")
        os.rename(self.path("away"), self.path("moved"))
        self.environments["dev"]["variables"] = {"MOVED": "1"}
        self.write_manifests(self.path("moved"))
        git(self.path("moved"), "commit", "-q", "-a", "-m", "moved")
        self.until("the new place is followed", lambda: self.variables("dev").get("MOVED") == "1")
        self.assertIsNone(controller.poll())

    def test_two_controllers_on_one_root_do_no_harm(self):
        self.begin()
        configuration = self.path("second.yaml")
        with open(self.path("tidegate.yaml"), encoding="utf-8") as file:
            text = json.load(file)
        text["state"] = self.path("second.db")
        with open(configuration, "w", encoding="utf-8") as out:
            json.dump(text, out)
        with open(self.path("second.log"), "w", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen([PROGRAM, "controller", "--config", configuration], stdout=log, stderr=log))
        for number in range(2, 6):
            self.environments["test"]["content"] = {"source": "live", "generation": number}
            self.environments["dev"]["content"] = {"source": "live", "generation": number}
            self.commit_manifests(f"round {number}")
            self.commit(f"page {number}")
            self.wait_for_page("dev", f"page {number}", 30)
            self.until(f"both are at generation {number}", lambda n=number: self.generation("test") == n == self.generation("dev"), 30)
        self.until("nothing runs", lambda: all(not leftovers(lambda *names, e=e: self.place(e, *names)) for e in self.environments))
        def operations():
            second = self.run_program("history", "acme", "--state", self.path("second.db"), "-o", "json").stdout
            return self.history() + json.loads(second)["operations"]
        results = []
        def settled():  # The operations judged below are those of one reading; the slower one may begin another after it.
            results[:] = operations()
            return all(o["endedAt"] for o in results)
        self.until("no operation is open", settled)
        # The one that reads the manifests later may begin what is not asked for any more; it does not switch.
        failed = [o for o in results if o["result"] not in ("succeeded", "undone")]
        self.assertEqual([o for o in failed if not o["message"].startswith("not allowed any more")], [])
        syncs = [o for o in results if "sync" in o["actions"] and o["result"] == "succeeded"]
        self.assertEqual(len(syncs), 10)  # Each generation once in each environment.


class Stops(GatedSite):
    def stop(self, controller):
        began = time.monotonic()
        controller.send_signal(signal.SIGTERM)
        self.assertEqual(controller.wait(20), 0)
        self.assertLess(time.monotonic() - began, 10)

    def test_before_the_switch_the_operation_is_undone(self):
        controller = self.begin()
        self.gate.stop_at(("verify", "dev"))
        commit = self.commit_page(2)
        self.assertTrue(self.gate.wait("waiting", [("verify", "dev")]))
        self.stop(controller)
        self.assertTrue(self.gate.wait("ended", [("verify", "dev")], 2))
        self.assert_whole()
        self.assertEqual(self.page("dev"), "1")
        self.assertEqual(self.history()[0]["result"], "undone")
        self.gate.open()
        self.start_controller()
        self.converge("dev", commit=commit)
        self.end_watch()
        self.assert_history_is_closed()

    def test_after_the_switch_the_operation_is_parked(self):
        controller = self.begin()
        self.gate.stop_at(("verifyLive", "dev"))
        commit = self.commit_page(2)
        self.assertTrue(self.gate.wait("waiting", [("verifyLive", "dev")]))
        self.stop(controller)
        self.assertIsNotNone(self.journal("dev"))
        self.assertEqual(self.page("dev"), "2")
        self.gate.open()
        self.start_controller()
        self.converge("dev", commit=commit)
        self.end_watch()
        self.assert_history_is_closed()

    def test_during_an_update_the_way_back_is_gone_to_its_end(self):
        self.gate.codes["updatePending"] = 1
        self.site["application"]["commands"]["update"] = [self.gate.command("update")]
        controller = self.begin(pages=False)
        self.gate.stop_at(("update", "dev"))
        self.commit_page(2)
        self.assertTrue(self.gate.wait("waiting", [("update", "dev")]))
        self.assertTrue(os.path.exists(self.place("dev", "maintenance")))
        self.stop(controller)
        self.assert_whole()
        self.assertIn(("undo", "dev"), self.gate.seen)  # maintenanceOff ran although the controller was ending.
        self.assertEqual(self.page("dev"), "1")

    def test_a_new_configuration_does_not_disturb_what_runs(self):
        controller = self.begin()
        self.gate.stop_at(("verify", "dev"))
        commit = self.commit_page(2)
        self.assertTrue(self.gate.wait("waiting", [("verify", "dev")]))
        os.rename(self.path("fleet"), self.path("away"))
        controller.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        self.gate.open()
        self.converge("dev", commit=commit)
        os.rename(self.path("away"), self.path("fleet"))
        self.end_watch()
        self.assertEqual([o["result"] for o in self.history()], ["succeeded"] * len(self.history()))

    def test_apply_beside_the_controller_waits_and_says_who_holds_it(self):
        controller = self.begin()
        self.gate.stop_at(("verify", "dev"))
        self.commit_page(2)
        self.assertTrue(self.gate.wait("waiting", [("verify", "dev")]))
        self.write_manifests()
        apply = subprocess.Popen([PROGRAM, "apply", *self.given()], text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(apply.stderr.close)
        self.addCleanup(apply.stdout.close)
        line = apply.stderr.readline()
        self.assertIn(f"acme/dev is held by controller, pid {controller.pid}", line)
        self.gate.open()
        apply.communicate(timeout=60)
        self.assertEqual(apply.returncode, 0)
        self.end_watch()

    def test_logs_follow_an_operation_to_its_end(self):
        self.begin()
        self.gate.stop_at(("verify", "dev"))
        self.commit_page(2)
        self.assertTrue(self.gate.wait("waiting", [("verify", "dev")]))
        follow = subprocess.Popen([PROGRAM, "logs", "acme/dev", "--follow", *self.state()], text=True, stdout=subprocess.PIPE)
        self.addCleanup(follow.stdout.close)
        self.assertIn("checked out", follow.stdout.readline())
        self.until("the status shows it", lambda: "Progressing  promote: verify" in self.run_program("status", "acme", *self.state()).stdout)
        self.assertEqual(self.run_program("wait", "acme/dev", "--timeout", "1s", *self.state()).returncode, 4)
        self.gate.open()
        rest = follow.communicate(timeout=30)[0]
        self.assertEqual(follow.returncode, 0)
        self.assertIn("switched to release", rest)
        self.assertTrue(rest.rstrip().endswith("done"), rest)
        self.assertEqual(self.run_program("wait", "acme/dev", "--timeout", "20s", *self.state()).returncode, 0)

    def test_a_retry_is_taken_up_at_once(self):
        self.begin()
        self.gate.codes[("verify", "dev")] = 1
        commit = self.commit_page(2)
        self.until("dev is held", lambda: [h["reason"] for h in self.status("dev")["holds"]] == ["Quarantined"])
        time.sleep(2.5)
        self.assertEqual(len([o for o in self.history() if o["result"] == "failed"]), 1)
        self.assertEqual(self.run_program("wait", "acme/dev", "--timeout", "1s", *self.state()).returncode, 3)
        self.gate.codes = {}
        self.assertEqual(self.run_program("retry", "acme/dev", *self.state()).returncode, 0)
        self.until("dev runs it", lambda: self.settled("dev", commit=commit), 10)
        self.end_watch()


class Beside(Running):
    def test_status_is_watched(self):
        self.begin()
        watch = subprocess.Popen([PROGRAM, "status", "acme", "--watch", *self.state()], text=True, stdout=subprocess.PIPE)
        self.addCleanup(watch.stdout.close)
        second = self.commit("two")
        end = time.monotonic() + 20
        for line in watch.stdout:
            if ("dev" in line and second[:7] in line and "Converged" in line) or time.monotonic() > end:
                break
        self.assertLess(time.monotonic(), end)
        watch.send_signal(signal.SIGINT)
        watch.wait(5)

    def test_an_explanation_a_history_and_exit_codes(self):
        self.begin()
        config = ["--config", self.path("tidegate.yaml")]
        self.assertTrue(self.converged())
        done = self.run_program("explain", "acme/test", *config)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("observed", "declared", "decided", "nothing to do", "next look"):
            self.assertIn(word, done.stdout)
        self.assertIn("acme/test", self.run_program("history", "acme/test", *config).stdout)
        self.assertEqual(self.run_program("plan", *config).returncode, 0)
        for arguments in (["status", "nobody"], ["logs", "acme/nowhere"], ["explain", "acme/nowhere"], ["exec", "nobody/dev", "--", "true"]):
            done = self.run_program(arguments[0], arguments[1], *config, *arguments[2:])
            self.assertEqual(done.returncode, 1, arguments)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for arguments in (["history"], ["promote", "acme"], ["apply"], ["nonsense"], ["logs", "acme"], ["wait", "acme", "--timeout", "soon"]):
            self.assertEqual(self.run_program(*arguments).returncode, 64, arguments)
        done = self.run_program("exec", "acme/dev", *config, "--", "sh", "-c", "echo $TIDEGATE_ENVIRONMENT; exit 3")
        self.assertEqual((done.returncode, done.stdout), (1, "dev\n"))
        self.assertEqual(self.history()[0]["actions"], ["exec"])


class Edits(Running):
    """promote, sync, wipe and rollback write what a person would have written."""

    def setUp(self):
        super().setUp()
        self.commented = COMMENTED % self.first

    def write_manifests(self, directory=None):
        test = self.environments.pop("test")
        super().write_manifests(directory)
        self.environments["test"] = test
        with open(os.path.join(directory or self.path("manifests"), "test.yaml"), "w", encoding="utf-8") as out:
            out.write(self.commented)

    def edit(self, *arguments, expect=0):
        done = self.run_program(*arguments, "--manifests", self.path("fleet"), "--config", self.path("tidegate.yaml"))
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def manifest(self, ref="HEAD"):
        return git(self.path("fleet"), "show", f"{ref}:test.yaml") + "\n"

    def changed_lines(self, diff):
        return [line for line in diff.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]

    def test_a_promotion_changes_one_line(self):
        self.begin()
        second = self.commit("two")
        self.wait_for_page("dev", "two")
        self.until("dev has proven it", lambda: self.converged("dev"))
        head = git(self.path("fleet"), "rev-parse", "HEAD")
        lines = [f'-    commit: "{self.first}"     # one for all', f'+    commit: "{second}"     # one for all']
        self.assertEqual(self.changed_lines(self.edit("promote", "acme", "dev", "test", "--dry-run").stdout), lines)
        self.assertEqual(git(self.path("fleet"), "rev-parse", "HEAD"), head)
        self.edit("promote", "acme", "dev", "test", "--branch", "proposal")
        self.assertEqual(git(self.path("fleet"), "rev-parse", "HEAD"), head)
        self.assertEqual(self.manifest("proposal"), self.commented.replace(self.first, second))
        self.edit("promote", "acme", "dev", "test", "-m", "Sprint 14")
        self.assertEqual(self.manifest(), self.commented.replace(self.first, second))
        self.assertEqual(git(self.path("fleet"), "status", "--porcelain"), "")
        self.assertEqual(git(self.path("fleet"), "log", "-1", "--format=%s"), "Sprint 14")
        self.assertEqual(git(self.path("fleet"), "show", "--format=", "--name-only", "HEAD"), "test.yaml")
        self.wait_for_page("test", "two")
        self.edit("promote", "acme", "dev", "test", expect=1)  # There is nothing to change.
        self.until("test is recorded", lambda: self.converged("test"))
        self.edit("rollback", "acme/test")
        self.assertEqual(self.manifest(), self.commented)
        self.wait_for_page("test", "one")

    def test_a_sync_and_a_wipe_raise_the_generation(self):
        self.begin()
        before = "  content: { source: live }   # generation 1 so far"
        done = self.edit("sync", "acme/test", "--dry-run")
        self.assertEqual(self.changed_lines(done.stdout), ["-" + before, "+  content: { source: live, generation: 2 }   # generation 1 so far"])
        self.edit("sync", "acme/test")
        self.assertEqual(self.manifest(), self.commented.replace("{ source: live }", "{ source: live, generation: 2 }"))
        self.until("test has it", lambda: self.generation("test") == 2)
        self.until("test is recorded", lambda: self.converged("test"))
        self.edit("wipe", "acme/test")
        self.assertEqual(self.manifest(), self.commented.replace("{ source: live }", "{ source: empty, generation: 3 }"))
        self.until("test is empty", lambda: self.generation("test") == 3)
        git(self.path("fleet"), "revert", "--no-edit", "HEAD")
        self.until("the revert brings the content back", lambda: self.generation("test") == 2)

    def test_what_cannot_be_is_refused_with_one_line(self):
        self.site["launched"] = True
        self.site["launched"] = False
        self.begin()
        for arguments, words in ((["wipe", "acme/nowhere"], "nowhere"), (["promote", "nobody", "dev", "test"], "nobody"), (["sync", "acme/live"], "--from")):
            done = self.edit(*arguments, expect=1)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1)
            self.assertIn(words, done.stderr)
        self.site["launched"] = True
        self.commit_manifests("live")
        self.until("it is launched", lambda: self.status("live")["conditions"][0]["status"] == "True" and "(not launched)" not in self.run_program("status", "acme", *self.state()).stdout)
        self.assertIn("authority", self.edit("wipe", "acme/live", expect=1).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
