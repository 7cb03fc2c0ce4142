"""Manifests in and out: broken ones, wrong places, and the commits that promote, sync, wipe and rollback write."""
import json
import os
import subprocess
import unittest

from harness import PROGRAM, Site, git

BROKEN = "apiVersion: tidegate/v1\nkind: Site\nmetadata: {name: beta}\nspec: {stagez: []}\n"


class Broken(Site):
    def put(self, name, text):
        with open(self.path("manifests", name), "w", encoding="utf-8") as out:
            out.write(text)

    def show(self, *arguments, expect=0):
        done = self.run_program(*arguments, *self.state(), "-o", "json")
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_a_broken_site_is_held_and_nothing_has_converged(self):
        self.apply()
        self.put("beta.yaml", BROKEN)
        plan = self.plan(expect=1)
        self.assertFalse(plan["converged"])
        self.assertEqual([(h["site"], h["environment"], h["reason"]) for h in plan["held"]], [("beta", None, "Invalid")])
        self.assertIn("beta.yaml:4:8: spec.stagez: ", plan["held"][0]["message"])
        self.put("beta.yaml", "kind: [\n")
        plan = self.plan(expect=1)
        self.assertFalse(plan["converged"])
        self.assertIsNone(plan["problems"][0]["site"])

    def test_a_broken_site_says_so_in_its_status_and_keeps_what_was_told(self):
        self.apply()
        self.put("beta.yaml", BROKEN)
        with open(self.path("manifests", "acme.yaml"), encoding="utf-8") as file:
            good = file.read()
        self.put("acme.yaml", good.replace('"stages"', '"stagez"'))
        self.assertEqual(self.run_program("apply", *self.given()).returncode, 1)
        acme, beta = self.show("status")["sites"]
        for site in (acme, beta):
            self.assertEqual([c["reason"] for c in site["conditions"]], ["Invalid"])
        self.assertEqual([e["name"] for e in acme["environments"]], self.stages)
        self.assertEqual(beta["environments"], [])
        self.assertIn("Invalid: ", self.run_program("wait", "acme", "--timeout", "0s", *self.state()).stderr)
        os.unlink(self.path("manifests", "beta.yaml"))
        self.apply()
        self.assertEqual(self.show("status", "acme")["sites"][0]["conditions"], [])

    def test_the_controller_tells_of_a_site_that_is_broken_from_the_start(self):
        os.makedirs(self.path("fleet"))
        git(self.path("fleet"), "init", "-q", "-b", "main")
        with open(self.path("fleet", "beta.yaml"), "w", encoding="utf-8") as out:
            out.write(BROKEN)
        self.commit_manifests("the fleet")
        self.start_controller()
        self.until("beta is told", lambda: [c["reason"] for c in self.show("status", "beta")["sites"][0]["conditions"]] == ["Invalid"])
        self.until("acme runs", lambda: self.status("dev")["conditions"][0]["status"] == "True")

    def test_one_site_alone_is_not_failed_by_anothers_file(self):
        self.put("beta.yaml", BROKEN)
        self.apply(0, "--site", "acme")
        done = self.run_program("plan", *self.given(), "--site", "acme")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.run_program("plan", *self.given(), "--site", "beta").returncode, 1)
        self.driver["keepReleases"] = "many"  # What it does share counts.
        self.apply(1, "--site", "acme")
        self.assertEqual(self.run_program("plan", *self.given(), "--site", "nope").stderr.splitlines()[-1],
                         'tidegate: no manifest declares site "nope"')

    def test_a_broken_site_is_told_by_every_command_that_wants_it(self):
        self.put("beta.yaml", BROKEN)
        for arguments in (["promote", "beta", "dev", "test"], ["sync", "beta/test"], ["wipe", "beta/dev"],
                          ["rollback", "beta/dev"], ["exec", "beta/dev", "--", "true"], ["webserver", "beta"]):
            done = self.run_program(*arguments[:2], *self.given(), *arguments[2:])
            self.assertEqual(done.returncode, 1)
            self.assertIn('tidegate: site "beta" is broken: beta.yaml:4:8: ', done.stderr)

    def test_what_nobody_committed_has_no_author(self):
        fleet = self.path("manifests")
        git(fleet, "init", "-q", "-b", "main")
        self.write_manifests()
        git(fleet, "add", "-A")
        git(fleet, "commit", "-qm", "the fleet")
        self.apply()
        self.assertEqual(self.history()[0]["manifestRevision"], git(fleet, "rev-parse", "HEAD"))
        self.environments["dev"]["variables"] = {"A": "1"}
        self.apply()
        newest = self.history()[0]
        self.assertEqual((newest["manifestRevision"], newest["author"]), (None, None))
        self.assertIsNone(self.record("dev")["manifestRevision"])

    def test_a_place_without_manifests_is_told(self):
        empty = self.path("secrets")
        done = self.run_program("validate", empty)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, f"{empty}:1:1: warning: no manifest (*.yaml, *.yml) lies below it\n", ""))
        for command in ("apply", "plan"):
            done = self.run_program(command, "--manifests", empty, *self.state())
            self.assertEqual((done.returncode, done.stderr),
                             (1, f'tidegate: no manifest (*.yaml, *.yml) lies below "{empty}"; nothing is changed\n'))
        os.mkfifo(self.path("pipe.yaml"))
        done = self.run_program("validate", self.path("pipe.yaml"), timeout=10)
        self.assertEqual((done.returncode, done.stderr), (1, f'tidegate: "{self.path("pipe.yaml")}" is neither a file nor a directory\n'))
        self.write_manifests()
        done = self.run_program("validate", self.path("manifests"), self.path("manifests", "acme.yaml"), self.path("manifests") + "/")
        self.assertEqual((done.returncode, done.stderr), (0, "1 file, 1 site: valid\n"))

    def test_results_that_cannot_be_written_are_a_failure(self):
        self.apply()
        for arguments in (["status"], ["plan", *self.given()], ["history", "acme"], ["apply", *self.given()],
                          ["explain", "acme/dev"], ["validate", "--effective", self.path("manifests")], ["--help"]):
            words = " ".join([PROGRAM, *arguments, *([] if arguments[0] in ("validate", "--help") or "--state" in arguments else self.state())])
            for where in (">/dev/full", ">&-"):
                done = subprocess.run(["sh", "-c", words + " " + where], capture_output=True, text=True, check=False, timeout=60)
                self.assertEqual(done.returncode, 1, words + where)
                self.assertTrue(done.stderr.endswith("tidegate: the result cannot be written to standard output\n"), words + where + done.stderr)
        self.assertEqual(self.run_program("status", *self.state()).returncode, 0)


class Found(Site):
    """Commands that need manifests find them through the store or the configuration."""

    def test_the_store_remembers_where_manifests_came_from(self):
        done = self.run_program("explain", "acme/dev", *self.state())
        self.assertEqual((done.returncode, done.stderr),
                         (64, "tidegate: say which manifests: --manifests DIR or URL@REF, or --config FILE\n"))
        self.apply()
        self.assertIn("acme/dev", self.run_program("explain", "acme/dev", *self.state()).stdout)
        self.assertEqual(self.run_program("exec", "acme/dev", *self.state(), "--", "true").returncode, 0)
        self.assertEqual(self.run_program("webserver", "acme", *self.state()).returncode, 0)

    def test_a_controllers_store_and_configuration_lead_to_its_sources(self):
        self.start_controller()
        self.until("it runs", lambda: all(self.status(e)["conditions"][0]["status"] == "True" for e in self.stages))
        config = ["--config", self.path("tidegate.yaml")]
        for given in (config, self.state()):
            for arguments in (["explain", "acme/dev"], ["webserver", "acme"]):
                self.assertEqual(self.run_program(*arguments, *given).returncode, 0)
        fleet = self.path("fleet")
        done = self.run_program("sync", "acme/test", *config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(git(fleet, "log", "-1", "--format=%s"), "Sync acme/test from live (generation 2)")
        self.assertEqual(git(fleet, "status", "--porcelain"), "")


class Edited(Site):
    """Edits of manifests in a clone and in a bare repository."""
    content = "spec:\n  # just code\n  code:\n    commit: %s\n  verify:\n    http: []\n"

    def setUp(self):
        super().setUp()
        self.fleet = self.path("fleet")
        self.sub = os.path.join(self.fleet, "sub dir")
        os.makedirs(self.sub)
        git(self.fleet, "init", "-q", "-b", "main")
        test = self.environments.pop("test")
        self.write_manifests(self.sub)
        self.environments["test"] = test
        head = "apiVersion: tidegate/v1\r\nkind: Environment\r\nmetadata: {name: test, site: acme}\r\n"
        self.text = head + (self.content % self.first).replace("\n", "\r\n").removesuffix("\r\n")
        self.put("test.yaml", self.text)
        git(self.fleet, "add", "-A")
        git(self.fleet, "commit", "-qm", "the fleet")
        git(self.dir, "clone", "-q", "--bare", self.fleet, "bare.git")
        self.bare = self.path("bare.git")
        self.run_program("apply", "--manifests", self.fleet, "--secrets", self.path("secrets"), *self.state())

    def put(self, name, text):
        with open(os.path.join(self.sub, name), "w", encoding="utf-8", newline="") as out:
            out.write(text)

    def edit(self, *arguments, expect=0, manifests=None):
        done = subprocess.run([PROGRAM, *arguments, "--manifests", manifests or self.sub, *self.state()], capture_output=True, check=False,
                              env={"PATH": "/usr/bin:/bin", "HOME": self.dir})
        self.assertEqual(done.returncode, expect, (done.stdout + done.stderr).decode())
        return done

    def refusal(self, *arguments, expect=64):
        done = self.edit(*arguments, expect=expect)
        self.assertEqual(done.stdout, b"")
        return done.stderr.decode()

    def test_another_branch_keeps_everybodys_commits(self):
        git(self.fleet, "switch", "-qc", "other")
        self.put("test.yaml", self.text + "\r\n  # of somebody else\r\n")
        git(self.fleet, "commit", "-qam", "theirs")
        theirs = git(self.fleet, "rev-parse", "HEAD")
        git(self.fleet, "push", "-q", self.bare, "other")
        git(self.fleet, "switch", "-q", "main")
        for manifests, repository in ((f"file://{self.bare}@main", self.bare), (self.fleet, self.fleet)):
            self.edit("sync", "acme/test", "--from", "live", "--branch", "other", manifests=manifests)
            self.assertEqual(git(repository, "rev-parse", "other^"), theirs)
            self.assertIn("somebody else", git(repository, "show", "other:sub dir/test.yaml"))

    def test_changes_of_a_branch_add_up(self):
        second = self.commit("two")
        self.run_program("apply", "--manifests", self.fleet, "--secrets", self.path("secrets"), *self.state())
        self.put("dirty.yaml", "# not committed, and no matter\n")
        for manifests, repository in ((f"file://{self.bare}@main", self.bare), (self.sub, self.fleet)):
            main = git(repository, "rev-parse", "main")
            self.edit("promote", "acme", "dev", "test", "--branch", "topic", manifests=manifests)
            self.edit("sync", "acme/test", "--from", "live", "--branch", "topic", manifests=manifests)
            self.assertEqual(git(repository, "rev-parse", "topic~2", "main"), f"{main}\n{main}")
            text = git(repository, "show", "topic:sub dir/test.yaml")
            self.assertIn(second, text)
            self.assertIn("generation: 1", text)
        self.assertEqual(git(self.fleet, "status", "--porcelain"), '?? "sub dir/dirty.yaml"')

    def test_a_commit_is_no_place_for_another(self):
        head = git(self.bare, "rev-parse", "main")
        there = f"file://{self.bare}@{head}"
        done = self.edit("sync", "acme/test", "--from", "live", manifests=there, expect=1)
        self.assertIn("say which gets the commit: --branch B", done.stderr.decode())
        self.edit("sync", "acme/test", "--from", "live", "--branch", "fresh", manifests=there)
        self.assertEqual(git(self.bare, "rev-parse", "fresh^"), head)

    def test_a_diff_is_what_git_applies(self):
        for arguments in (["sync", "acme/test", "--from", "live"], ["wipe", "acme/dev"]):
            before = git(self.fleet, "rev-parse", "HEAD")
            dry = self.edit(*arguments, "--dry-run")
            self.assertIn(b"--- a/sub dir/", dry.stdout)
            subprocess.run(["git", "-C", self.fleet, "apply", "--index", "-"], input=dry.stdout, check=True)
            applied = git(self.fleet, "write-tree")
            git(self.fleet, "reset", "-q", "--hard")
            done = self.edit(*arguments)
            self.assertEqual(done.stdout, dry.stdout)
            self.assertEqual(git(self.fleet, "rev-parse", "HEAD^{tree}", "HEAD^"), f"{applied}\n{before}")
        with open(os.path.join(self.sub, "test.yaml"), encoding="utf-8", newline="") as file:
            self.assertEqual(file.read(), self.text.replace("  verify:", "\r\n  content: {source: live, generation: 1}\r\n  verify:"))

    def test_what_is_refused_shows_no_diff(self):
        self.put("test.yaml", self.text + "\r\n# dirty")
        self.assertIn("not committed", self.refusal("sync", "acme/test", "--from", "live", expect=1))

    def test_a_promotion_goes_one_stage_up(self):
        self.assertEqual(self.refusal("promote", "acme", "dev", "dev"),
                         "tidegate: dev is where it comes from; up it is: tidegate promote acme dev test\n")
        self.assertEqual(self.refusal("promote", "acme", "live", "live"), "tidegate: live is where it comes from; live is the last stage\n")
        self.assertEqual(self.refusal("promote", "acme", "live", "dev"),
                         "tidegate: code goes up, and dev is below live; to go back there: tidegate rollback acme/dev\n")
        self.assertEqual(self.refusal("promote", "acme", "dev", "live"),
                         "tidegate: a promotion goes one stage up, and test is between dev and live; first: tidegate promote acme dev test\n")

    def test_a_rollback_goes_where_the_environment_was(self):
        self.assertEqual(self.refusal("rollback", "acme/dev", "--to", "0" * 40, expect=1),
                         f'tidegate: "{"0" * 40}" never ran well in acme/dev ({self.first[:7]} did); name one that did, or promote it from the stage below\n')
        done = self.edit("rollback", "acme/dev", "--to", self.first[:7], "--dry-run")
        self.assertIn(self.first, done.stdout.decode())


if __name__ == "__main__":
    unittest.main(verbosity=2)
