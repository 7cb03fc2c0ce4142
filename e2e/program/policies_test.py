"""Examples of policies, offline."""
import json
import os
import re
import subprocess
import tempfile
import unittest

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PROGRAM = os.environ.get("TIDEGATE", os.path.join(TREE, "build/release/tidegate"))

FLEET = """apiVersion: tidegate/v1
kind: Driver
metadata: {name: hosts}
spec: {host: {root: /srv/sites}}
---
apiVersion: tidegate/v1
kind: Site
metadata: {name: acme}
spec: {driver: hosts, repository: {url: "https://git.example.org/acme.git"}, stages: [live]}
---
apiVersion: tidegate/v1
kind: Environment
metadata: {name: live, site: acme}
spec: {code: {branch: main}}
---
apiVersion: tidegate/v1
kind: Policy
metadata: {name: calm}
spec: {rules: [{name: no-wipe, forbid: {verbs: [wipe], message: ask first}}]}
"""
CASE = """apiVersion: tidegate/v1
kind: PolicyTest
metadata: {name: wipes}
spec:
  now: 2026-11-20T12:00:00Z
  expect:
    - {environment: acme/live, verb: wipe, verdict: %s}
"""


def run(*arguments, directory=TREE):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=directory,
                          env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": directory})


class Examples(unittest.TestCase):
    def test_those_beside_the_field_reference_come_out_as_expected(self):
        done = run("policy", "test", "manifests/policy-tests")
        self.assertEqual((done.returncode, [line for line in done.stdout.splitlines() if not line.startswith("ok ")]), (0, []), done.stderr)
        self.assertGreaterEqual(len(done.stdout.splitlines()), 30)
        with open(os.path.join(TREE, "manifests/policy-tests/fleet.yaml"), encoding="utf-8") as file:
            rules = set(re.findall(r"\{name: ([\w-]+), (?:provenIn|windows|signedCommits|content|backup|limits|blastRadius|require|forbid):", file.read()))
        for rule in rules:
            self.assertIn("/" + rule, done.stdout, "an example for each rule")


class Own(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory(prefix="tidegate-policies-")
        self.addCleanup(self.holder.cleanup)
        self.put("fleet/fleet.yaml", FLEET)
        self.put("fleet/wipes.case.yaml", CASE % "held")

    def put(self, name, text):
        path = os.path.join(self.holder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def tried(self, *more):
        return run("policy", "test", *(more or ("fleet",)), directory=self.holder.name)

    def test_one_that_comes_out_as_expected(self):
        done = self.tried()
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "ok      wipes: acme/live wipe databases and files (generation 1): held\n", "1 example: all as expected\n"))

    def test_one_that_does_not_names_its_place_and_what_was_said(self):
        self.put("fleet/wipes.case.yaml", CASE % "allowed")
        done = self.tried()
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (1, "not ok  fleet/wipes.case.yaml:7:21: wipes: acme/live wipe databases and files (generation 1): expected allowed; "
                             "seen: held Forbidden (calm/no-wipe: ask first)\n", "1 example: 1 failure, 0 problems\n"))

    def test_as_json(self):
        done = self.tried("fleet", "-o", "json")
        said = json.loads(done.stdout)
        self.assertEqual((done.returncode, said["ok"], said["problems"]), (0, True, []))
        (example,) = said["examples"]
        self.assertEqual(example["seen"]["policies"],
                         [{"policy": "calm", "rule": "no-wipe", "holds": True, "said": "ask first", "opensAt": None}])
        self.assertEqual((example["name"], example["site"], example["environment"], example["verb"], example["ok"]),
                         ("wipes", "acme", "live", "wipe", True))
        self.assertEqual(example["expected"], {"verdict": "held", "reason": None, "rule": None, "opensAt": None})
        self.assertEqual(example["seen"]["reason"], "Forbidden")

    def test_manifests_that_lie_elsewhere(self):
        self.put("tests/a/wipes.case.yaml", (CASE % "held").replace("  now:", "  manifests: [../../fleet]\n  now:"))
        self.assertEqual(self.tried("tests").returncode, 0)

    def test_problems_are_told_in_their_place_and_fail(self):
        self.put("fleet/wipes.case.yaml", (CASE % "held").replace("acme/live", "acme/dev"))
        self.put("fleet/twice.case.yaml", CASE % "alowed")
        self.put("fleet/broken.yaml", "kind: Policy\n")
        done = self.tried()
        self.assertEqual(done.returncode, 1)
        self.assertIn("fleet/twice.case.yaml:7:53: spec.expect[0].verdict: \"alowed\" is not allowed or held; did you mean \"allowed\"?\n", done.stdout)
        self.assertIn("fleet/wipes.case.yaml:7:21: spec.expect[0].environment: site \"acme\" declares no environment \"dev\"\n", done.stdout)
        self.assertIn("fleet/broken.yaml:1:1: ", done.stdout)

    def test_they_are_no_manifests(self):
        done = run("validate", "fleet", directory=self.holder.name)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", "1 file, 1 site: valid\n"))
        done = run("validate", "fleet/fleet.yaml", "fleet/wipes.case.yaml", directory=self.holder.name)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.put("fleet/wipes.case.yaml", CASE % "alowed")
        done = run("validate", "fleet/wipes.case.yaml", directory=self.holder.name)
        self.assertEqual((done.returncode, done.stdout.split(" ")[0]), (1, "fleet/wipes.case.yaml:7:53:"))

    def test_a_place_without_examples_and_no_place_at_all(self):
        self.put("empty/fleet.yaml", FLEET)
        done = self.tried("empty")
        self.assertEqual((done.returncode, done.stderr), (1, 'tidegate: no example (*.case.yaml) lies below "empty"\n'))
        self.assertEqual(self.tried("nowhere").returncode, 1)
        done = run("policy", "test")
        self.assertEqual((done.returncode, done.stderr), (64, "tidegate: DIR is required\nRun `tidegate policy test --help`.\n"))
        self.assertEqual(run("policy").returncode, 64)
        self.assertIn("*.case.yaml", run("policy", "test", "--help").stdout)


if __name__ == "__main__":
    unittest.main()
