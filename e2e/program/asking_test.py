"""What people ask the program, and that every answer is true when the process that gave it is gone."""
import json
import os
import pwd
import signal
import subprocess
import unittest

from harness import PROGRAM, Site, git

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class DevAlone(Site):
    """A site of one stage, which follows a branch."""

    def setUp(self):
        super().setUp()
        self.environments = {"dev": {"code": {"branch": "main"}}}
        self.stages = ["dev"]
        self.site["stages"] = self.stages


class Ends(DevAlone):
    """Whoever ends while something runs tells once more how it is."""
    commands = {"update": ["sh -c 'if [ -e slow ]; then sleep 60; fi'"]}

    def is_updating(self):
        operation = self.status("dev")["operation"]
        return operation and operation["phase"] == "update"

    def assert_nothing_is_told_to_run(self):
        self.assertEqual([o["result"] for o in self.history()], ["undone", "succeeded"])
        self.assertIsNone(self.status("dev")["operation"])
        self.assertNotIn("working", self.run_program("status", "acme", *self.state()).stdout)

    def test_an_apply_that_is_late(self):
        self.apply()
        self.commit("two", slow="")
        self.apply(4, "--timeout", "2s")
        self.assert_nothing_is_told_to_run()

    def interrupted(self, number):
        self.apply()
        self.commit("two", slow="")
        process = subprocess.Popen([PROGRAM, "apply", *self.given()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**ENVIRONMENT, "HOME": self.dir})
        self.processes.append(process)
        open(self.path("controller.log"), "a", encoding="utf-8").close()
        self.until("it updates", self.is_updating)
        process.send_signal(number)
        self.assertEqual(process.wait(60), 1)
        self.assert_nothing_is_told_to_run()

    def test_an_apply_that_is_interrupted(self):
        self.interrupted(signal.SIGINT)

    def test_an_apply_that_is_terminated(self):
        self.interrupted(signal.SIGTERM)

    def test_a_controller_that_is_terminated(self):
        controller = self.start_controller()
        self.until("dev runs", lambda: self.status("dev")["conditions"][0]["status"] == "True")
        self.commit("two", slow="")
        self.until("it updates", self.is_updating)
        controller.send_signal(signal.SIGTERM)
        self.assertEqual(controller.wait(60), 0)
        self.assert_nothing_is_told_to_run()


class Executes(Site):
    def setUp(self):
        super().setUp()
        self.apply()

    def execute(self, *words, given=b""):
        return subprocess.run([PROGRAM, "exec", "acme/dev", *self.given(), "--", *words], input=given, capture_output=True,
                              timeout=60, check=False, env={**ENVIRONMENT, "HOME": self.dir})

    def test_it_is_a_pipe_like_any_other(self):
        done = self.execute("sh", "-c", "printf 'no newline'; echo trouble >&2")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"no newline", b"trouble\n"))
        binary = bytes(range(256)) * 5000
        self.assertEqual(self.execute("cat", given=binary).stdout, binary)

    def test_history_says_who_and_logs_show_the_last_step(self):
        self.execute("echo", "by hand")
        newest = self.history()[0]
        self.assertEqual((newest["actions"], newest["author"]), (["exec"], pwd.getpwuid(os.getuid()).pw_name))
        plain = self.run_program("logs", "acme/dev", *self.state())
        self.assertNotIn("by hand", plain.stdout)
        self.assertRegex(plain.stderr, "^operation [0-9a-f]+ on acme/dev: (sync|promote)")
        self.assertIn("by hand", self.run_program("logs", "acme/dev", "--operation", newest["id"], *self.state()).stdout)

    def test_a_missing_command_is_told_plainly(self):
        done = self.execute("nope")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, b"no such command: nope\ntidegate: exit code 127\n")

    def test_an_interrupt_ends_it_and_history_says_so(self):
        process = subprocess.Popen([PROGRAM, "exec", "acme/dev", *self.given(), "--", "sh", "-c", "echo ready; sleep 60"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                   env={**ENVIRONMENT, "HOME": self.dir})
        self.processes.append(process)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=30)[1], "tidegate: interrupted\n")
        self.assertEqual(process.returncode, 1)
        newest = self.history()[0]
        self.assertEqual((newest["result"], newest["message"]), ("failed", "sh -c echo ready; sleep 60: interrupted"))


class Asks(Site):
    def ask(self, expect, *arguments):
        done = self.run_program(*arguments, *self.state())
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def test_what_nobody_knows_is_told_with_the_nearest_name(self):
        self.apply()
        site, environment = "nothing is known of site \"acne\"; did you mean \"acme\"?", "site \"acme\" has no environment \"liv\"; did you mean \"live\"?"
        for command in ("status", "history"):
            self.assertEqual(self.ask(1, command, "acne").stderr, f"tidegate: {site}\n")
            self.assertEqual(self.ask(1, command, "acme/liv").stderr, f"tidegate: {environment}\n")
        self.assertEqual(self.ask(1, "retry", "acme/liv").stderr, f"tidegate: {environment}\n")
        self.assertEqual(self.ask(1, "retry", "acne/live").stderr, f"tidegate: {site}\n")
        self.assertEqual(self.ask(1, "wait", "acme/liv").stderr, f"tidegate: {environment}\n")

    def test_what_is_asked_the_wrong_way_is_64(self):
        for arguments in (["status", "a/b/c"], ["wait", "a/b/c"], ["status", "/"], ["status", "a/"], ["history", "/b"],
                          ["history", "acme", "--limit", "0"], ["history", "acme", "--limit", "-1"],
                          ["wait", "acme", "-o", "json"], ["logs", "acme/dev", "-o", "json"], ["retry", "acme/dev", "-o", "json"],
                          ["exec", "acme/dev", "-o", "json", "--", "true"]):
            self.ask(64, *arguments)
        for word in ("backup", "import"):
            done = self.run_program(word, "--help")
            self.assertEqual((done.returncode, done.stdout), (64, ""))
            self.assertIn(f"{word} is not supported yet", done.stderr)

    def test_wait_ends_where_only_a_person_can_go_on(self):
        self.apply()
        self.environments["test"]["code"] = {"commit": "0" * 40}
        self.apply(3)
        done = self.ask(3, "wait", "acme", "--timeout", "60s")
        self.assertIn("tidegate: acme is held: test: held Invalid: commit 0000000", done.stderr)
        self.ask(0, "wait", "acme/dev")

    def test_wait_ends_where_a_rule_holds_for_longer_than_it_would_wait(self):
        self.apply()
        self.commit("two")
        with open(self.path("manifests", "rules.yaml"), "w", encoding="utf-8") as out:
            out.write("apiVersion: tidegate/v1\nkind: Freeze\nmetadata: {name: peak}\nspec: {reason: sale, until: 2096-01-01T00:00:00Z}\n")
        self.apply(3)
        done = self.ask(3, "wait", "acme", "--timeout", "60s")
        self.assertEqual(done.stderr, "tidegate: acme is held: dev: held Frozen: peak: frozen: sale; opens at 2096-01-01T00:00:00Z\n")

    def test_a_retry_says_who_asked(self):
        self.environments["dev"]["verify"] = {"commands": ["sh -c 'exit 7'"]}
        self.apply(1)
        self.ask(0, "retry", "acme/dev")
        self.apply(1)
        message = self.history()[0]["message"]
        self.assertTrue(message.startswith(f"retried for {pwd.getpwuid(os.getuid()).pw_name}: "), message)

    def test_an_empty_state_file_is_a_new_one(self):
        open(self.path("state.db"), "w", encoding="utf-8").close()
        self.assertIn("there is no store at", self.ask(1, "status").stderr)
        self.plan(2)
        self.apply()
        self.ask(0, "status", "acme")

    def test_doctor_and_edits_speak_json(self):
        self.site["application"]["commands"]["build"] = []
        self.environments["dev"]["secrets"] = {"TOKEN": "token"}
        self.write_manifests()
        done = self.run_program("doctor", *self.given(), "-o", "json")
        lacks = json.loads(done.stdout)
        self.assertEqual((done.returncode, [sorted(lack) for lack in lacks]), (1, [["mend", "missing", "what"]] * len(lacks)))
        self.assertIn("token", " ".join(lack["missing"] for lack in lacks))
        del self.environments["dev"]["secrets"]
        self.apply()
        git(self.path("manifests"), "init", "-q", "-b", "trunk")
        git(self.path("manifests"), "add", "-A")
        git(self.path("manifests"), "commit", "-q", "-m", "all")
        told = [json.loads(self.run_program("sync", "acme/test", *self.given(), "-o", "json", *more).stdout) for more in (["--dry-run"], [])]
        self.assertEqual([t["commit"] for t in told], [None, git(self.path("manifests"), "rev-parse", "HEAD")])
        for one in told:
            self.assertEqual(one["branch"], "trunk")
            self.assertIn("generation", one["diff"])


class Watches(DevAlone):
    """What a running controller tells."""

    def begin(self):
        controller = self.start_controller()
        self.until("dev runs", lambda: self.status("dev")["conditions"][0]["status"] == "True")
        return controller

    def conditions(self):
        done = self.run_program("status", "acme", *self.state(), "-o", "json")
        return [c["type"] for c in json.loads(done.stdout)["sites"][0]["conditions"]]

    def test_sites_say_that_their_manifests_cannot_be_read(self):
        self.begin()
        def unreadable_and_back(away, back):
            away()
            self.until("it is told", lambda: self.conditions() == ["SourceUnreadable"])
            self.assertIn("SourceUnreadable: source fleet: ", self.run_program("status", "acme", *self.state()).stdout)
            self.assertEqual(self.run_program("wait", "acme", "--timeout", "5s", *self.state()).returncode, 0)
            back()
            self.until("it is taken away", lambda: self.conditions() == [])
        fleet = self.path("fleet")
        unreadable_and_back(lambda: os.rename(fleet, fleet + ".away"), lambda: os.rename(fleet + ".away", fleet))
        def emptied():
            git(fleet, "rm", "-q", "-r", ".")
            git(fleet, "commit", "-q", "-m", "nothing")
        unreadable_and_back(emptied, lambda: git(fleet, "revert", "--no-edit", "HEAD"))

    def test_a_changed_log_is_applied(self):
        controller = self.begin()
        with open(self.path("tidegate.yaml"), encoding="utf-8") as file:
            configuration = json.load(file)
        with open(self.path("tidegate.yaml"), "w", encoding="utf-8") as file:
            json.dump({**configuration, "log": {"level": "info", "format": "json"}}, file)
        controller.send_signal(signal.SIGHUP)
        self.until("it is JSON", lambda: json.loads(self.log().splitlines()[-1])["level"] == "info")

    def test_a_second_controller_is_refused_and_one_shot_commands_are_not(self):
        first = self.begin()
        second = subprocess.run([PROGRAM, "controller", "--config", self.path("tidegate.yaml")], capture_output=True, text=True,
                                timeout=30, check=False, env={**ENVIRONMENT, "HOME": self.dir})
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"belongs to controller, pid {first.pid}, which is running", second.stderr)
        self.apply(0)
        first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(60), 0)
        self.begin()

    def test_a_controller_starts_though_a_child_of_a_killed_one_holds_its_lock_a_little_longer(self):
        hold = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(1)"
        with subprocess.Popen(["python3", "-c", hold, self.path("state.db.controller")], stdout=subprocess.PIPE, text=True) as holder:
            self.assertEqual(holder.stdout.readline(), "held\n")
            controller = self.begin()
            self.assertIsNone(controller.poll())

    def test_an_explanation_knows_the_configured_resync(self):
        self.start_controller(resync="90s")
        self.until("dev runs", lambda: self.status("dev")["conditions"][0]["status"] == "True")
        done = self.run_program("explain", "acme/dev", "--config", self.path("tidegate.yaml"))
        self.assertRegex(done.stdout, r"next look\n.* 1m")


if __name__ == "__main__":
    unittest.main(verbosity=2)
