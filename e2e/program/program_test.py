"""The program as its users run it: apply and plan on a directory of manifests."""
import os
import subprocess
import threading
import time
import unittest

from harness import PROGRAM, Site, git


def mtimes(directory):
    out = {}
    for folder, folders, files in os.walk(directory):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            out[path] = os.lstat(path).st_mtime_ns
    return out


class Converges(Site):
    def test_a_fresh_directory_converges_and_a_second_apply_touches_nothing(self):
        self.assertEqual(len(self.plan(2)["ready"]), 1)
        self.apply(0)
        self.plan(0)
        before = mtimes(self.path("root"))
        self.apply(0)
        self.assertEqual(mtimes(self.path("root")), before)
        self.assertEqual([operation["result"] for operation in self.history()], ["succeeded"] * 5)

    def test_plan_changes_nothing_at_all(self):
        self.plan(2)
        self.assertEqual(os.listdir(self.path("root")), [])
        self.assertFalse(os.path.exists(self.path("state.db")))

    def test_a_commit_reaches_dev_and_is_promoted_step_by_step(self):
        self.apply(0)
        second = self.commit("two")
        self.apply(0)
        self.assertIn("two", self.page("dev"))
        self.assertIn("one", self.page("test"))
        self.environments["test"]["code"] = {"commit": second}
        self.environments["live"]["code"] = {"commit": second}
        self.apply(0)
        self.assertIn("two", self.page("live"))
        self.assertEqual(self.record("live")["commit"], second)

    def test_a_commit_that_skips_a_stage_is_held(self):
        self.apply(0)
        other = self.commit("side")
        git(self.path("code"), "reset", "-q", "--hard", self.first)
        git(self.path("code"), "branch", "side", other)
        self.environments["live"]["code"] = {"commit": other}
        done = self.apply(3)
        self.assertIn("NotProven", done.stdout)
        self.assertIn("one", self.page("live"))

    def test_a_new_site_whose_test_follows_dev_waits_and_comes_to_rest(self):
        self.environments["test"]["code"] = {"from": "dev"}
        plan = self.plan(2)
        self.assertEqual([(w["environment"], w["because"]) for w in plan["waiting"]],
                         [("test", f"until dev has proven {self.first[:7]}"), ("live", f"until test has proven {self.first[:7]}")])
        self.assertEqual(plan["held"], [])
        self.apply(0)
        self.assertEqual([self.record(e)["commit"] for e in self.stages], [self.first] * 3)

    def test_what_waits_for_a_stage_that_fails_is_held(self):
        self.environments["test"]["code"] = {"from": "dev"}
        self.environments["dev"]["verify"] = {"commands": ["sh -c 'exit 7'"]}
        done = self.apply(1)
        self.assertIn("held Quarantined", done.stdout)
        self.assertEqual([self.reasons(e) for e in self.stages], [["Quarantined"], ["NotProven"], ["NotProven"]])
        self.apply(3)

    def test_people_read_one_line_a_fact(self):
        self.write_manifests()
        planned = self.run_program("plan", *self.given()).stdout
        self.assertIn("promote " + self.first[:7] + ", create empty databases and files  because it is new, and live has no content to copy yet", planned)
        self.apply(0)
        self.environments["test"]["content"]["generation"] = 2
        self.write_manifests()
        planned = self.run_program("plan", *self.given()).stdout
        self.assertEqual(planned, "acme\n  ~  test  sync databases and files from live (generation 2)  "
                                  "because its databases and files are of live (generation 1)\n")
        history = self.run_program("history", "acme", *self.state()).stdout.splitlines()
        self.assertEqual(len(history), 5)
        for line in history:
            self.assertRegex(line, r"^\S+Z  acme/(dev|test|live) +(sync|promote, create) +succeeded  [0-9. ms]+  \w+$")
        status = self.run_program("status", "acme", *self.state()).stdout.splitlines()
        self.assertRegex(status[2], r"^  test  \w{7}  live \(generation 1\), \d+s ago  Converged$")
        told = self.run_program("explain", "acme/test", *self.given()).stdout
        self.assertIn("\n  databases and files: of live (generation 1), taken ", told)
        self.assertIn("\n  ready: sync databases and files from live (generation 2), because its ", told)
        logs = self.run_program("logs", "acme/test", *self.state())
        self.assertRegex(logs.stderr, r"^operation \w+ on acme/test: sync; succeeded after [0-9.]+s\n$")
        self.environments["dev"]["code"] = {"commit": "0" * 40}
        self.apply(3)
        waited = self.run_program("wait", "acme", "--timeout", "1s", *self.state())
        self.assertEqual(waited.returncode, 3)
        self.assertIn("acme is held: dev: held Invalid: commit 0000", waited.stderr)

    def test_reverting_the_commit_switches_back_to_the_kept_release(self):
        self.apply(0)
        before = self.running("dev")
        self.environments["dev"]["code"] = {"commit": self.commit("two")}
        self.apply(0)
        self.assertNotEqual(self.running("dev"), before)
        self.environments["dev"]["code"] = {"commit": self.first}
        self.apply(0)
        self.assertEqual(self.running("dev"), before)

    def test_content_comes_down_once_for_each_generation(self):
        self.apply(0)
        self.query("live", "create table posts(title)")
        self.query("live", "insert into posts values ('hello')")
        with open(self.place("live", "current/code/web/uploads/a.txt"), "w", encoding="utf-8") as out:
            out.write("upload")
        self.apply(0)
        self.assertFalse(os.path.exists(self.place("test", "current/code/web/uploads/a.txt")))
        self.environments["test"]["content"]["generation"] = 2
        self.apply(0)
        self.assertEqual(self.query("test", "select title from posts"), [("hello",)])
        self.assertTrue(os.path.exists(self.place("test", "current/code/web/uploads/a.txt")))
        self.assertEqual(self.record("test")["content"]["databases"]["generation"], 2)

    def test_a_revert_of_a_generation_brings_kept_content_back(self):
        self.apply(0)
        self.query("test", "create table mine(x)")
        self.environments["test"]["content"]["generation"] = 2
        self.apply(0)
        self.assertEqual(self.query("test", "select count(*) from sqlite_master"), [(0,)])
        self.environments["test"]["content"]["generation"] = 1
        self.apply(0)
        self.assertEqual(self.query("test", "select name from sqlite_master"), [("mine",)])

    def test_a_wipe_empties_once_and_installs(self):
        self.site["application"]["commands"]["install"] = ["sh -c 'echo installed >> web/uploads/log'"]
        self.apply(0)
        self.environments["dev"]["content"] = {"source": "empty", "generation": 5}
        self.apply(0)
        self.query("dev", "create table later(x)")
        self.apply(0)
        self.assertEqual(self.query("dev", "select name from sqlite_master"), [("later",)])
        with open(self.place("dev", "current/code/web/uploads/log"), encoding="utf-8") as log:
            self.assertEqual(log.read(), "installed\n")

    def test_a_changed_variable_is_a_promotion_of_the_same_commit(self):
        self.apply(0)
        before = self.running("dev")
        self.environments["dev"]["variables"] = {"COLOUR": "blue"}
        self.apply(0)
        self.assertEqual(self.variables("dev")["COLOUR"], "blue")
        self.assertNotEqual(self.running("dev"), before)

    def test_a_secret_reaches_the_release_and_no_output(self):
        os.makedirs(self.path("secrets/sites/acme"))
        with open(self.path("secrets/sites/acme/smtp"), "w", encoding="utf-8") as out:
            out.write("correct-horse-battery\n")
        self.environments["dev"]["secrets"] = {"SMTP_PASSWORD": "smtp"}
        self.environments["dev"]["verify"] = {"commands": ["sh -c 'echo it is $SMTP_PASSWORD; test -n \"$SMTP_PASSWORD\"'"]}
        self.apply(0)
        self.assertEqual(self.variables("dev")["SMTP_PASSWORD"], "correct-horse-battery")
        log = self.logs() + self.run_program("logs", "acme/dev", *self.state()).stdout
        self.assertIn("it is ***", log + "".join(self.run_program("logs", "acme/dev", "--operation", o["id"], *self.state()).stdout for o in self.history()))
        with open(self.path("state.db"), "rb") as store:
            self.assertNotIn(b"correct-horse-battery", store.read())


class Fails(Site):
    def test_a_failed_verification_is_held_and_not_tried_again(self):
        self.apply(0)
        second = self.commit("two", **{"bad": "x"})
        self.site["application"]["commands"]["build"] = []
        self.environments["dev"]["verify"] = {"commands": ["sh -c 'test ! -e bad'"]}
        self.apply(1)
        self.assertIn("one", self.page("dev"))
        failed = [o for o in self.history() if o["result"] == "failed"]
        self.assertEqual(len(failed), 1)
        done = self.apply(3)
        self.assertIn("Quarantined", done.stdout)
        self.assertIn("test ! -e bad", done.stdout)
        self.assertEqual(len([o for o in self.history() if o["result"] == "failed"]), 1)
        self.assertEqual(self.run_program("retry", "acme/dev", *self.state()).returncode, 0)
        self.apply(1)
        self.assertEqual(len([o for o in self.history() if o["result"] == "failed"]), 2)
        self.apply(3)
        self.assertEqual(second, git(self.path("code"), "rev-parse", "HEAD"))
        os.remove(self.path("code/bad"))
        self.commit("three")
        self.apply(0)
        self.assertIn("three", self.page("dev"))

    def test_the_reason_of_a_failure_is_what_php_says_and_not_where(self):
        self.commit("two", **{"up.php": "<?php function up() { throw new Exception('no such table'); } up();"})
        self.site["application"]["commands"]["update"] = ["sh -c 'if [ -e up.php ]; then php -d display_errors=stderr -d log_errors=0 up.php; fi'"]
        done = self.apply(1)
        self.assertRegex(done.stderr, r"exit code 255: (PHP )?Fatal error:  ?Uncaught Exception: no such table in \S+up.php:1\n")

    def test_a_failed_update_puts_the_databases_back(self):
        self.apply(0)
        self.query("live", "create table orders(id integer)")
        self.query("live", "insert into orders values (1), (2)")
        open_before = self.database("live")
        bad = self.commit("two", **{"update.php": "<?php $d = new PDO('sqlite:' . substr(getenv('DATABASE_URL'), 10)); $d->exec('drop table orders'); exit(1);"})
        self.site["application"]["commands"]["update"] = ["sh -c 'if [ -e update.php ] && [ $TIDEGATE_ENVIRONMENT = live ]; then php update.php; fi'"]
        self.environments["test"]["code"] = {"commit": bad}
        self.environments["live"]["code"] = {"commit": bad}
        done = self.apply(1)
        self.assertIn("update", done.stderr)
        self.assertIn("one", self.page("live"))
        self.assertEqual(open_before.execute("select count(*) from orders").fetchall(), [(2,)])
        self.assertEqual(self.query("live", "select count(*) from orders"), [(2,)])
        self.assertFalse(os.path.exists(self.place("live", "maintenance")))
        self.assertFalse(os.path.lexists(self.place("live", "next")))
        self.assertEqual(os.listdir(self.place("live", "releases")), ["1"])

    def test_code_changed_by_hand_is_healed_and_kept_as_a_patch(self):
        self.apply(0)
        file = os.path.realpath(self.place("dev", "current/code/web/index.php"))
        os.chmod(file, 0o644)
        with open(file, "a", encoding="utf-8") as out:
            out.write("// by hand\n")
        self.apply(0)
        self.assertNotIn("by hand", self.page("dev"))
        self.assertIn("+// by hand", self.logs())

    def test_apply_beside_a_running_apply_waits_for_it(self):
        self.site["application"]["commands"]["build"] = ["sleep 3"]
        self.write_manifests()
        first = subprocess.Popen([PROGRAM, "apply", *self.given()], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(1)
        done = self.apply(0)
        self.assertEqual(first.wait(60), 0)
        self.assertIn("is held by apply, pid", done.stderr)

    def test_what_is_not_there_is_told(self):
        self.apply(0)
        os.rename(self.path("root"), self.path("root.away"))
        os.mkdir(self.path("root"))
        done = self.apply(3)
        self.assertIn("EnvironmentGone", done.stdout)
        self.assertEqual(os.listdir(self.path("root")), [])
        os.rmdir(self.path("root"))
        os.rename(self.path("root.away"), self.path("root"))
        self.apply(0)

    def test_a_vanished_repository_changes_nothing(self):
        self.apply(0)
        before = self.running("dev")
        os.rename(self.path("code"), self.path("code.away"))
        self.apply(1)
        self.assertEqual(self.running("dev"), before)
        os.rename(self.path("code.away"), self.path("code"))


class Launched(Site):
    def launch(self):
        self.apply(0)
        self.site["launched"] = True
        self.apply(0)
        self.query("live", "create table orders(id integer)")

    def test_nothing_touches_the_content_of_a_launched_authority(self):
        self.launch()
        self.environments["live"]["content"] = {"source": "empty", "generation": 3}
        self.assertIn("AuthorityProtected", self.apply(3).stdout)
        self.site["launched"] = False
        done = self.apply(3)
        self.assertIn("LaunchedOnce", done.stdout)
        self.environments["live"]["content"] = {"source": "dev", "generation": 3}
        self.assertIn("AuthorityProtected", self.apply(3).stdout)
        self.assertEqual(self.query("live", "select name from sqlite_master"), [("orders",)])

    def test_reordered_stages_are_held(self):
        self.launch()
        self.site["stages"] = ["dev", "live", "test"]
        self.environments["live"]["content"] = {"source": "test", "generation": 9}
        self.assertIn("LaunchedOnce", self.apply(3).stdout)
        self.assertEqual(self.query("live", "select name from sqlite_master"), [("orders",)])

    def test_a_launched_authority_is_never_created_empty(self):
        self.site["launched"] = True
        self.assertIn("AuthorityMissing", self.apply(3).stdout)
        self.assertFalse(os.path.exists(self.place("live", "current")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
