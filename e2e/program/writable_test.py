#!/usr/bin/env python3
"""Development by hand: what people change in a writable environment is held, committed or given up."""
import json
import os
import unittest

from harness import Site, git

ADA = "Ada Lovelace <ada@example.org>"


class WritableTest(Site):
    """dev follows main of a bare repository and is writable; its build makes a file."""
    stages = ["dev", "test"]
    commands = {"build": ["sh -c 'mkdir -p vendor && echo made > vendor/made.php'"]}

    def setUp(self):
        super().setUp()
        git(self.dir, "clone", "-q", "--bare", self.path("code"), self.path("code.git"))
        git(self.path("code"), "remote", "add", "origin", self.path("code.git"))
        self.site["repository"] = {"url": "file://" + self.path("code.git")}
        self.environments = {"dev": {"code": {"branch": "main", "writable": True}},
                             "test": {"code": {"commit": self.first}}}

    def push(self, text, **files):
        git(self.path("code"), "pull", "-q", "--rebase", "origin", "main")
        commit = self.commit(text, **files)
        git(self.path("code"), "push", "-q", "origin", "main")
        return commit

    def code(self, *names):
        return os.path.join(os.path.realpath(self.place("dev", "current")), "code", *names)

    def edit(self, name, content, binary=False):
        os.makedirs(os.path.dirname(self.code(name)), exist_ok=True)
        with open(self.code(name), "wb") as out:
            out.write(content if binary else content.encode())

    def at(self, revision, name=None):
        return git(self.path("code.git"), "show", f"{revision}:{name}") if name else git(self.path("code.git"), "rev-parse", revision)

    def ask(self, command, *more, expect=0):
        done = self.run_program(command, "acme/dev", *self.given(), *more)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr + self.logs())
        return done

    def commit_by_hand(self, *more, expect=0):
        return self.ask("commit", "-m", "By hand", "--author", ADA, *more, expect=expect)

    def held(self):
        return [hold["message"] for hold in self.status("dev")["holds"] if hold["reason"] == "UncommittedChanges"]

    def converged(self, environment, commit):
        status = self.status(environment)
        return status["observed"]["commit"] == commit and status["conditions"][0]["reason"] == "Converged"

    def test_a_change_by_hand_is_held_then_committed_and_goes_up(self):
        self.write_manifests()
        self.start_controller()
        self.until("dev runs", lambda: self.converged("dev", self.first) and self.converged("test", self.first))
        self.edit("web/index.php", "<?php echo 'by hand';\n")
        self.edit("web/ä new.bin", b"\x00\xff\n", binary=True)
        self.edit("bin/run", "#!/bin/sh\n")
        os.chmod(self.code("bin/run"), 0o755)
        os.symlink("index.php", self.code("web/again.php"))
        release = self.running("dev")
        self.until("the change is held", self.held)
        self.assertEqual(self.held(), [
            "4 files changed by hand: A bin/run (+1 -0), A web/again.php (+1 -0), M web/index.php (+1 -1), A web/ä new.bin "
            "(binary); `tidegate commit acme/dev -m …` keeps them, `tidegate discard acme/dev` drops them"])
        self.assertTrue(self.status("dev")["observed"]["drifted"])
        dry = self.commit_by_hand("--dry-run", "-o", "json")
        self.assertEqual([(f["path"], f["change"]) for f in json.loads(dry.stdout)["files"]],
                         [("bin/run", "A"), ("web/again.php", "A"), ("web/index.php", "M"), ("web/ä new.bin", "A")])
        self.assertEqual(self.at("main"), self.first)
        self.assertEqual(self.running("dev"), release)
        commit = json.loads(self.commit_by_hand("-o", "json").stdout)["commit"]
        self.assertEqual(self.at("main"), commit)
        self.assertEqual(self.at("main^"), self.first)
        self.assertEqual(git(self.path("code.git"), "log", "-1", "--format=%an <%ae>|%s", "main"), f"{ADA}|By hand")
        self.assertEqual(git(self.path("code.git"), "ls-tree", "main", "bin/run", "web/again.php").split()[0::4], ["100755", "120000"])
        self.until("dev runs what was committed", lambda: self.converged("dev", commit), seconds=90)
        self.assertNotEqual(self.running("dev"), release)
        self.assertEqual(self.page("dev"), "<?php echo 'by hand';\n")
        with open(self.code("web/ä new.bin"), "rb") as file:
            self.assertEqual(file.read(), b"\x00\xff\n")
        self.environments["test"]["code"] = {"commit": commit}
        self.commit_manifests("to test")
        self.until("test runs what was committed", lambda: self.converged("test", commit))
        self.assertEqual(self.page("test"), "<?php echo 'by hand';\n")
        told = [o for o in self.history() if o["actions"] == ["commit"]]
        self.assertEqual([o["result"] for o in told], ["succeeded"])
        self.assertIn(commit[:7], told[0]["message"])

    def test_a_push_does_not_replace_it_and_the_commit_goes_on_top(self):
        self.apply()
        self.edit("web/index.php", "by hand\n")
        pushed = self.push("pushed", **{"web/index.php": "<?php echo 'one';\n", "lib/other.php": "theirs\n"})
        self.apply(3)
        self.assertEqual(self.page("dev"), "by hand\n")
        self.assertEqual(self.reasons("dev"), ["UncommittedChanges"])
        self.commit_by_hand()
        self.assertEqual(self.at("main^"), pushed)
        self.assertEqual(self.at("main", "lib/other.php"), "theirs")
        self.assertEqual(self.at("main", "web/index.php"), "by hand")
        self.apply()
        self.assertEqual(self.record("dev")["commit"], self.at("main"))
        self.assertEqual(self.page("dev"), "by hand\n")

    def test_what_was_committed_before_is_no_change_of_the_branch(self):
        self.apply()
        self.edit("web/index.php", "broken\n")
        self.commit_by_hand()
        broken = self.at("main")
        self.edit("web/index.php", "mended\n")
        self.edit("web/more.php", "more\n")
        self.apply(3)
        self.assertEqual(self.page("dev"), "mended\n")
        self.commit_by_hand()
        self.assertEqual(self.at("main^"), broken)
        self.apply()
        self.assertEqual(self.page("dev"), "mended\n")

    def test_what_both_changed_is_named_and_nothing_is_pushed(self):
        self.apply()
        self.edit("web/index.php", "by hand\n")
        pushed = self.push("theirs")
        done = self.commit_by_hand(expect=1)
        self.assertEqual(done.stderr, "tidegate: the branch has changed the same files meanwhile: \"web/index.php\"; bring both "
                         "together in a clone and push that\n")
        self.assertEqual(self.at("main"), pushed)
        self.assertEqual(self.page("dev"), "by hand\n")

    def test_discarding_shows_what_is_lost_and_puts_back_what_was_built(self):
        self.apply()
        self.edit("web/index.php", "by hand\n")
        asked = self.ask("discard", expect=64)
        self.assertEqual(asked.stdout, "M web/index.php (+1 -1)\n")
        self.assertEqual(self.page("dev"), "by hand\n")
        self.ask("discard", "--yes")
        self.assertEqual(self.page("dev"), "<?php echo 'one';\n")
        self.assertIn("+by hand", self.run_program("logs", "acme/dev", *self.state()).stdout)
        self.assertIn(["discard"], [o["actions"] for o in self.history()])
        self.apply()
        self.assertEqual(self.ask("discard", "--yes").stderr, "nothing was changed by hand on acme/dev\n")

    def test_going_back_to_managed_code_waits_for_it(self):
        self.apply()
        self.edit("web/index.php", "by hand\n")
        self.environments["dev"]["code"] = {"branch": "main"}
        self.apply(3)
        self.assertEqual(self.reasons("dev"), ["UncommittedChanges"])
        self.commit_by_hand()
        self.apply()
        self.assertEqual(self.page("dev"), "by hand\n")
        self.assertEqual(os.stat(self.code("web/index.php")).st_mode & 0o777, 0o444)

    def test_what_the_build_makes_is_left_out_unless_asked_for(self):
        self.apply()
        self.edit("vendor/made.php", "changed\n")
        self.edit("vendor/more/new.php", "new\n")
        self.edit("web/new.php", "new\n")
        done = self.commit_by_hand()
        self.assertEqual(done.stdout, "A web/new.php (+1 -0)\n")
        self.assertIn("left out, for the build makes it or .gitignore names it: M vendor/made.php (+1 -1)\n", done.stderr)
        self.assertIn("still here: 2 files changed by hand: M vendor/made.php (+1 -1), A vendor/more/new.php (+1 -0)\n", done.stderr)
        self.apply(3)
        self.ask("discard", "--yes")
        self.assertEqual(self.record("dev")["commit"], self.at("main"))
        with open(self.code("vendor/made.php"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "made\n")

    def test_exec_may_write_and_who_commits_must_be_known(self):
        self.apply()
        done = self.ask("exec", "--", "sh", "-c", "echo by exec > web/index.php")
        self.assertEqual(self.page("dev"), "by exec\n", done.stderr)
        nobody = self.ask("commit", "-m", "By exec", expect=1)
        self.assertEqual(nobody.stderr, "tidegate: git does not know who commits; tell it: git config --global user.name \"Ada "
                         "Lovelace\" && git config --global user.email ada@example.org; or say --author\n")
        with open(self.path(".gitconfig"), "w", encoding="utf-8") as out:
            out.write("[user]\n\tname = Grace\n\temail = grace@example.org\n")
        self.ask("commit", "-m", "By exec")
        self.assertEqual(git(self.path("code.git"), "log", "-1", "--format=%an <%ae>", "main"), "Grace <grace@example.org>")
        self.assertEqual(self.ask("commit", "-m", "Again").stderr, "nothing to commit on acme/dev\n")

    def test_what_no_check_out_takes_is_refused_by_its_name(self):
        self.apply()
        os.symlink("/etc/passwd", self.code("web/out"))
        done = self.commit_by_hand(expect=1)
        self.assertEqual(done.stderr, "tidegate: \"web/out\" is a symbolic link to \"/etc/passwd\", which has an absolute target\n")
        self.assertEqual(self.at("main"), self.first)


if __name__ == "__main__":
    unittest.main()
