#!/usr/bin/env python3
"""Who is told, and what can be shown afterwards: notifications over HTTP and by a command, through receivers that are
down and controllers that are killed, and the audit of what was done."""
import hashlib
import hmac
import http.server
import json
import os
import sqlite3
import stat
import threading
import unittest

from harness import Site
from watch import kill

SECRET = "t0p-s3cr3t"


class Receiver:
    """A web server on a port that it keeps when it is down."""

    def __init__(self):
        self.got, self.status, self.server, self.port = [], 200, None, 0

    def up(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.got.append((self.headers, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def told(self):
        return [json.loads(body) for _, body in self.got]

    def types(self, environment):
        """Of each transition: one whose delivery a killed controller did not note comes again with the same id."""
        transitions = {told["id"]: told for told in self.told()}
        return [told["type"] for told in transitions.values() if told["environment"] == environment]


class Told(Site):
    def setUp(self):
        super().setUp()
        self.receiver = Receiver()
        self.receiver.up()
        self.addCleanup(self.receiver.down)
        with open(self.path("secrets", "hook"), "w", encoding="utf-8") as out:
            out.write(SECRET + "\n")
        script = self.path("page")
        with open(script, "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\ncat >> {self.path('paged')}\necho >> {self.path('paged')}\n")
        os.chmod(script, stat.S_IRWXU)
        self.notify = [{"name": "hook", "webhook": f"http://127.0.0.1:{self.receiver.port}/told?key=url-s3cr3t",
                        "secret": {"secret": "hook"}},
                       {"name": "pager", "command": script, "on": ["failed", "rolledBack"]}]

    def paged(self):
        if not os.path.exists(self.path("paged")):
            return []
        with open(self.path("paged"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def converged(self):
        return self.run_program("wait", "acme", *self.state(), "--timeout", "1s").returncode == 0

    def start(self):
        controller = self.start_controller(notify=self.notify)
        self.until("the site has converged", self.converged)
        return controller

    def suspend(self, reason="INC-1"):
        self.environments["test"]["code"] = {"commit": self.second}
        self.environments["test"]["suspend"] = {"reason": reason, "by": "ada"}


class Notifications(Told):
    def test_a_failure_is_told_once_with_a_proof_and_so_is_its_end(self):
        self.environments["dev"]["verify"] = {"commands": ["grep -q -v broken web/index.php"]}
        self.start()
        self.assertEqual(self.receiver.told(), [])
        self.commit("broken")
        self.until("the failure is told", lambda: self.receiver.types("dev") and self.paged())
        headers, body = next((h, b) for h, b in self.receiver.got if json.loads(b)["environment"] == "dev")
        self.assertEqual(headers["X-Tidegate-Signature-256"],
                         "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest())
        self.assertEqual(headers["Content-Type"], "application/json")
        told = json.loads(body)
        self.assertEqual(list(told), ["id", "at", "type", "site", "environment", "reason", "message", "manifestRevision",
                                      "author", "operation", "evidence"])
        self.assertEqual((told["type"], told["site"], told["reason"]), ("failed", "acme", "Quarantined"))
        operation = self.history()[0]
        self.assertEqual((told["operation"], told["manifestRevision"], told["author"]),
                         (operation["id"], operation["manifestRevision"], operation["author"]))
        self.assertEqual(self.paged(), [told])
        self.commit("mended")
        self.until("all is well again", lambda: self.receiver.types("dev") == ["failed", "normal"])
        self.until("the site has converged", self.converged)
        self.assertEqual(self.receiver.types("dev"), ["failed", "normal"])
        self.assertEqual(len(self.paged()), 1)
        with open(self.path("controller.log"), encoding="utf-8") as log:
            text = log.read()
        for secret in (SECRET, "url-s3cr3t"):
            self.assertNotIn(secret, text)
            self.assertNotIn(secret.encode(), b"".join(body for _, body in self.receiver.got))

    def test_a_receiver_that_is_down_hears_of_it_later_and_in_order_through_a_kill(self):
        controller = self.start()
        self.second = self.commit("two")
        self.until("dev runs it", lambda: "two" in self.page("dev"))
        self.until("the site has converged", self.converged)
        self.receiver.down()
        self.suspend()
        self.commit_manifests("suspended")
        self.until("the hold is told", lambda: self.status("test")["holds"])
        self.until("it waits for its receiver", lambda: "a notification could not be delivered" in self.log())
        kill(controller)
        self.environments["test"].pop("suspend")
        self.commit_manifests("goes on")
        self.start_controller(notify=self.notify)
        self.until("test runs it", lambda: "two" in self.page("test"))
        self.until("the site has converged", self.converged)
        self.assertEqual(self.receiver.told(), [])
        self.receiver.up()
        self.until("both are told", lambda: self.receiver.types("test") == ["held", "normal"])
        self.assertEqual(self.receiver.told()[0]["reason"], "Suspended")
        self.assertEqual(len({told["id"] for told in self.receiver.told()}), len(self.receiver.told()))

    def test_a_restart_tells_nothing_again(self):
        controller = self.start()
        self.second = self.commit("two")
        self.until("dev runs it", lambda: "two" in self.page("dev"))
        self.suspend()
        self.commit_manifests("suspended")
        self.until("the hold is told", lambda: self.receiver.types("test") == ["held"])
        kill(controller)
        self.suspend("another message")
        revision = self.commit_manifests("suspended still")
        self.start_controller(notify=self.notify)
        self.until("the new manifest was looked at",
                   lambda: "another message" in self.status("test")["holds"][0]["message"])
        self.environments["test"].pop("suspend")
        self.commit_manifests("goes on")
        self.until("all is well again", lambda: self.receiver.types("test")[-1] == "normal")
        self.assertEqual(self.receiver.types("test"), ["held", "normal"])
        self.assertNotEqual(self.receiver.told()[-1]["manifestRevision"], revision)

    def test_sighup_takes_another_receiver(self):
        controller = self.start()
        self.notify = self.notify[:1]
        self.notify[0]["on"] = ["held"]
        configuration = json.load(open(self.path("tidegate.yaml"), encoding="utf-8"))
        with open(self.path("tidegate.yaml"), "w", encoding="utf-8") as out:
            json.dump({**configuration, "notify": self.notify}, out)
        controller.send_signal(1)
        self.until("it was read", lambda: "configuration read again" in self.log())
        self.second = self.commit("two")
        self.until("dev runs it", lambda: "two" in self.page("dev"))
        self.suspend()
        self.commit_manifests("suspended")
        self.until("the hold is told", lambda: self.receiver.types("test") == ["held"])
        self.environments["test"].pop("suspend")
        self.commit_manifests("goes on")
        self.until("test runs it", lambda: "two" in self.page("test"))
        self.until("the site has converged", self.converged)
        self.assertEqual(self.receiver.types("test"), ["held"])

    def log(self):
        with open(self.path("controller.log"), encoding="utf-8") as log:
            return log.read()


class Audit(Told):
    """A run with a policy that holds and a Grant that lets one commit past it."""

    def setUp(self):
        super().setUp()
        self.apply()
        self.second = self.commit("two")
        self.environments["live"]["code"] = {"commit": self.second}
        self.write_rules("Policy", "calm", {"select": {"environments": {"stages": ["dev"]}},
                                            "rules": [{"name": "pinned", "require": {"field": "/spec/code", "message": "no"}}]})
        self.apply(3)
        self.write_rules("Grant", "hotfix", {"site": "acme", "environment": "live", "by": "ada", "reason": "INC-1",
                                             "allow": {"promote": {"commit": self.second}},
                                             "expires": "2036-01-01T00:00:00Z"})
        self.apply()

    def write_rules(self, kind, name, spec):
        with open(self.path("manifests", name + ".yaml"), "w", encoding="utf-8") as out:
            json.dump({"apiVersion": "tidegate/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}, out)

    def audit(self, *arguments, expect=0):
        done = self.run_program("audit", *arguments, *self.state())
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def entries(self, *arguments):
        return [json.loads(line) for line in self.audit("export", *arguments).stdout.splitlines()]

    def tamper(self, statement):
        connection = sqlite3.connect(self.path("state.db"))
        connection.execute(statement)
        connection.commit()
        connection.close()

    def test_every_step_is_there_with_what_it_rested_on(self):
        entries = self.entries()
        self.assertEqual(entries[0]["kind"], "begin")
        self.assertEqual([e["seq"] for e in entries], list(range(1, len(entries) + 1)))
        steps = [e for e in entries if e["kind"] == "step"]
        done = {o["id"] for o in self.history()}
        self.assertEqual({e["operation"] for e in steps if e["operation"]}, done)
        hotfix = next(e for e in reversed(steps) if e["environment"] == "live")
        self.assertEqual(hotfix["actions"], ["promote"])
        self.assertEqual(hotfix["commit"], self.second)
        self.assertTrue(hotfix["grants"][0].startswith("hotfix"), hotfix)
        self.assertEqual(hotfix["who"]["as"].split(",")[0], "apply")
        self.assertEqual(hotfix["who"]["version"], self.run_program("--version").stdout.split()[1])
        dev = next(e for e in steps if e["environment"] == "dev" and e["commit"] == self.second)
        self.assertEqual([(p["name"], p["holds"]) for p in dev["policies"]], [("calm/pinned", False)])

    def test_the_chain_can_be_followed_with_other_tools(self):
        previous = "0" * 64
        for entry in self.entries():
            self.assertEqual(entry.pop("previous"), previous)
            told = entry.pop("hash")
            canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            previous = hashlib.sha256((previous + canonical).encode()).hexdigest()
            self.assertEqual(told, previous)

    def test_it_verifies_and_tells_the_first_entry_that_does_not(self):
        entries = self.entries()
        done = self.audit("verify")
        self.assertEqual(done.stdout, f"{len(entries)} entries, unbroken, from {entries[0]['at']} to {entries[-1]['at']}\n")
        head = f"{entries[-1]['hash']}@{entries[-1]['seq']}"
        self.assertEqual(done.stderr.splitlines()[0], "head " + head)
        self.audit("verify", "--anchor", head)
        self.assertTrue(json.loads(self.audit("verify", "-o", "json").stdout)["unbroken"])
        self.tamper(f"delete from audit where seq = {len(entries)}")
        self.audit("verify")
        self.assertIn(f"entry {len(entries)} is missing: the chain was cut short",
                      self.audit("verify", "--anchor", head, expect=1).stdout)
        self.tamper("update audit set entry = replace(entry, 'acme', 'acne') where seq = 2")
        self.assertEqual(self.audit("verify", expect=1).stdout,
                         "entry 2 was changed: its hash is not that of what it says\n")
        self.audit("verify", "--anchor", "12", expect=64)

    def test_export_takes_a_site_and_a_time(self):
        self.assertEqual({e["site"] for e in self.entries("--site", "acme")}, {"acme"})
        self.assertEqual(self.entries("--site", "other"), [])
        self.assertEqual(self.entries("--since", "2036-01-01T00:00:00Z"), [])
        self.assertEqual(len(self.entries("--since", "2020-01-01T00:00:00Z")), len(self.entries()))
        self.audit("export", "--since", "yesterday", expect=64)

    def test_what_people_do_by_hand_is_there(self):
        done = self.run_program("exec", "acme/live", *self.given(), "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        entry = self.entries()[-1]
        self.assertEqual((entry["kind"], entry["site"], entry["environment"], entry["said"]), ("exec", "acme", "live", "true"))
        self.assertTrue(entry["who"]["person"])
        self.environments["dev"]["verify"] = {"commands": ["false"]}
        self.commit("three")
        self.apply(1)
        done = self.run_program("retry", "acme/dev", *self.state())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.entries()[-1]["kind"], "retry")
        self.apply(1)
        self.assertTrue(self.entries()[-1]["retried"])
        self.audit("verify")

    def test_a_store_that_was_deleted_begins_a_new_chain(self):
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))
        self.commit("three")
        self.apply()
        self.assertIn("a chain begins", self.entries()[0]["because"])
        self.assertEqual(self.entries()[0]["seq"], 1)
        self.audit("verify")

    def test_an_act_whose_entry_cannot_be_written_goes_on_and_that_is_told(self):
        self.tamper("create trigger full before insert on audit begin select raise(fail, 'full'); end")
        self.commit("three")
        done = self.apply()
        self.assertIn("three", self.page("dev"))
        self.assertIn("an act is not in the audit", done.stdout + done.stderr)
        done = self.run_program("exec", "acme/live", *self.given(), "--", "echo", "done")
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"))
        self.assertIn("tidegate: an act is not in the audit site=acme environment=live problem=", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
