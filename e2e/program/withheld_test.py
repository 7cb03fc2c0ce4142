#!/usr/bin/env python3
"""A manifest commit that strikes more sites than a policy allows, before a store that is lost and after it."""
import json
import os
import shutil
import unittest

from harness import Site
from watch import kill


class Withheld(Site):
    stages = ["live"]

    def setUp(self):
        super().setUp()
        self.acknowledged = []

    def commit_manifests(self, message):
        rule = {"name": "few", "blastRadius": {"maxSites": 0, "acknowledge": self.acknowledged}}
        with open(self.path("fleet", "policy.yaml"), "w", encoding="utf-8") as out:
            json.dump({"apiVersion": "tidegate/v1", "kind": "Policy", "metadata": {"name": "calm"}, "spec": {"rules": [rule]}}, out)
        return super().commit_manifests(message)

    def conditions(self):
        done = self.run_program("status", "acme", *self.state(), "-o", "json")
        return [c["message"] for c in json.loads(done.stdout)["sites"][0]["conditions"] if c["reason"] == "BlastRadius"]

    def wait(self, timeout="60s"):
        return self.run_program("wait", "acme", "--timeout", timeout, *self.state())

    def begin(self):
        """A commit asks for a wipe of Live, and is withheld."""
        self.environments = {"live": {"code": {"branch": "main"}}}
        controller = self.start_controller()
        self.until("live is there", lambda: self.wait("10s").returncode == 0)
        self.query("live", "create table rows(number integer)")
        self.environments["live"]["content"] = {"source": "empty", "generation": 1}
        self.wipe = self.commit_manifests("wipe live")
        self.until("it is withheld", self.conditions)
        return controller

    def lose_the_store(self):
        """And the mirrors beside it."""
        for name in os.listdir(self.dir):
            if name.startswith("state.db"):
                os.remove(self.path(name))
        shutil.rmtree(self.path("manifests"))

    def test_it_stays_withheld_when_the_store_is_lost_until_it_is_acknowledged(self):
        controller = self.begin()
        said = self.conditions()
        self.assertIn(f"manifest commit {self.wipe[:12]} removes, wipes or moves 1 site, more than 0", said[0])
        held = self.wait()
        self.assertEqual((held.returncode, held.stderr), (3, f"tidegate: acme is held: held BlastRadius: {said[0]}\n"))
        kill(controller)
        self.lose_the_store()
        release = self.running("live")
        controller = self.start_controller()
        self.until("it is withheld again", self.conditions)
        self.assertEqual(self.conditions(), said)
        self.commit("two")
        self.until("code goes on", lambda: "two" in self.page("live"))
        self.assertNotEqual(self.running("live"), release)
        self.assertEqual(self.query("live", "select count(*) from rows"), [(0,)], "nothing is wiped")
        self.acknowledged = [self.wipe]
        self.commit_manifests("this wipe is meant")
        self.until("it is wiped", lambda: self.record("live")["content"]["databases"]["source"] == "empty")
        self.until("all is well", lambda: not self.conditions())
        self.assertEqual(self.query("live", "select count(*) from sqlite_master"), [(0,)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
