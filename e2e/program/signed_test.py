"""Who vouches for manifests and for code: commits signed with real keys, by the eyes of `plan` and `explain`."""
import json
import os
import subprocess
import time
import unittest

from harness import IDENTITY, PROGRAM, Site, git

MAIL = "site@example.org"
POLICY = {"rules": [{"name": "signed", "signedCommits": {"manifests": True, "code": True, "allowedSigners": {"secret": "allowed-signers"}}}]}


class Keys:
    """One key for each thing that can be the matter with it, and the secret that allows the good ones."""

    def __init__(self, directory):
        self.dir, self.home = directory, os.path.join(directory, "gpg")
        os.makedirs(self.home, mode=0o700)
        self.environment = {**os.environ, "GNUPGHOME": self.home, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        self.ssh = {name: self.make_ssh(name) for name in ("good", "unknown", "other", "expired", "revoked")}
        self.gpg = {name: self.make_gpg(name) for name in ("good", "unknown", "other", "expired", "revoked")}

    def run(self, *command, **more):
        return subprocess.run(command, check=True, text=True, capture_output=True, env=self.environment, **more).stdout.strip()

    def end(self):
        self.run("gpgconf", "--kill", "all")

    def make_ssh(self, name):
        path = os.path.join(self.dir, name)
        self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
        with open(path + ".pub", encoding="utf-8") as file:
            return path, file.read().strip(), self.run("ssh-keygen", "-l", "-f", path + ".pub").split()[1]

    def make_gpg(self, name):
        mail = "other@example.org" if name == "other" else MAIL
        then = ["--faked-system-time", "20200101T000000!"] if name == "expired" else []
        self.run("gpg", "--batch", "--quiet", *then, "--passphrase", "", "--quick-generate-key", f"{name} <{mail}>", "ed25519", "sign",
                 "2d" if name == "expired" else "never")
        listed = self.run("gpg", "--batch", "--with-colons", "--list-keys", f"{name} <{mail}>")
        return next(line for line in listed.splitlines() if line.startswith("fpr")).split(":")[9]

    def blocks(self):
        """Public keys; the revoked one with its own revocation, which its owner's home does not know."""
        known = self.run("gpg", "--batch", "--armor", "--export", *(self.gpg[n] for n in ("good", "other", "expired", "revoked")))
        with open(os.path.join(self.home, "openpgp-revocs.d", self.gpg["revoked"] + ".rev"), encoding="utf-8") as file:
            revocation = file.read().replace("\n:---", "\n---")
        elsewhere = os.path.join(self.dir, "elsewhere")
        os.makedirs(elsewhere, mode=0o700)
        gpg = ["gpg", "--batch", "--quiet", "--no-autostart", "--homedir", elsewhere]
        self.run(*gpg, "--import", input=known + "\n")
        self.run(*gpg, "--import", input=revocation)
        return self.run(*gpg, "--armor", "--export") + "\n"

    def allowed(self):
        lines = [f"{MAIL} {self.ssh['good'][1]}", f"other@example.org {self.ssh['other'][1]}", f"{MAIL} {self.ssh['revoked'][1]}",
                 f'{MAIL} valid-before="20200101" {self.ssh["expired"][1]}', "@revoked " + self.ssh["revoked"][2]]
        return "\n".join(lines) + "\n" + self.blocks()

    def sign(self, tree, kind, name, *command):
        """`commit` or `tag`, signed with a key of that kind."""
        if kind == "ssh":
            how = ["-c", "gpg.format=ssh", "-c", "user.signingkey=" + self.ssh[name][0]]
        else:
            program = os.path.join(self.dir, "gpg-then")
            with open(program, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\nexec gpg --batch --quiet " + ("--faked-system-time 20200101T120000! " if name == "expired" else "") + '"$@"\n')
            os.chmod(program, 0o755)
            how = ["-c", "gpg.program=" + program, "-c", "user.signingkey=" + self.gpg[name]]
        self.run("git", "-C", tree, *IDENTITY, *how, *command)
        return git(tree, "rev-parse", "HEAD")

    def commit(self, tree, kind, name):
        return self.sign(tree, kind, name, "commit", "-q", "-S", "--allow-empty", "-m", f"{kind}, {name}")

    def altered(self, tree, kind):
        """A good one, whose message somebody changed."""
        good = self.commit(tree, kind, "good")
        text = subprocess.run(["git", "-C", tree, "cat-file", "commit", good], check=True, capture_output=True).stdout
        forged = subprocess.run(["git", "-C", tree, "hash-object", "-t", "commit", "-w", "--stdin"], check=True, capture_output=True,
                                input=text.replace(b", good", b", evil")).stdout.decode().strip()
        git(tree, "reset", "-q", "--hard", forged)
        return forged

    def cases(self, tree):
        """Makes a commit for each; gives its name, its commit and why it is held ("" for a good one)."""
        def plain():
            git(tree, "commit", "-q", "--allow-empty", "-m", "plain")
            return git(tree, "rev-parse", "HEAD")
        yield "unsigned", plain(), "is not signed"
        yield "ssh, good", self.commit(tree, "ssh", "good"), ""
        for name, why in (("unknown", "which is not among the allowed signers"), ("revoked", "which is revoked"),
                          ("other", f'which is not allowed to sign as "{MAIL}"'),
                          ("expired", "which its line in the allowed signers does not let count now")):
            yield "ssh, " + name, self.commit(tree, "ssh", name), f"is signed with SSH key {self.ssh[name][2]}, {why}"
        yield "ssh, altered", self.altered(tree, "ssh"), "has an SSH signature that does not fit it"
        yield "gpg, good", self.commit(tree, "gpg", "good"), ""
        for name, key, why in (("unknown", self.gpg["unknown"][24:], "which is not among the allowed signers"),
                               ("revoked", self.gpg["revoked"][24:], "which is revoked"),
                               ("other", self.gpg["other"], f'which is not of "{MAIL}"'),
                               ("expired", self.gpg["expired"][24:], "which has expired")):
            yield "gpg, " + name, self.commit(tree, "gpg", name), f"is signed with OpenPGP key {key}, {why}"
        yield "gpg, altered", self.altered(tree, "gpg"), "has an OpenPGP signature that does not fit it"


class Signed(Site):
    """One stage, Live, at the tip of the code's main or at a tag; the manifests lie in git."""
    stages = ["live"]

    def setUp(self):
        super().setUp()
        os.makedirs(self.path("keys"))
        self.keys = Keys(self.path("keys"))
        self.addCleanup(self.keys.end)
        with open(self.path("secrets", "allowed-signers"), "w", encoding="utf-8") as file:
            file.write(self.keys.allowed())
        self.environments = {"live": {"code": {"branch": "main"}}}
        self.fleet = self.path("fleet")
        os.makedirs(self.fleet)
        git(self.fleet, "init", "-q", "-b", "main")
        self.vouched()

    def vouched(self):
        """Manifests of now, by a good key."""
        self.write_manifests(self.fleet)
        with open(os.path.join(self.fleet, "policy.yaml"), "w", encoding="utf-8") as file:
            json.dump({"apiVersion": "tidegate/v1", "kind": "Policy", "metadata": {"name": "gold"}, "spec": POLICY}, file)
        git(self.fleet, "add", "-A")
        return self.keys.commit(self.fleet, "ssh", "good")

    def given(self):
        return ["--manifests", f"file://{self.fleet}@main", "--secrets", self.path("secrets"), *self.state()]

    def planned(self):
        """The holds' messages; what is held for another reason is not expected."""
        done = self.run_program("plan", *self.given(), "-o", "json")
        held = json.loads(done.stdout)["held"]
        self.assertEqual({hold["reason"] for hold in held} - {"Unsigned"}, set(), done.stdout + done.stderr)
        self.assertEqual(done.returncode, 3 if held else 2, done.stdout + done.stderr)
        return [hold["message"] for hold in held]

    def explained(self):
        return self.run_program("explain", "acme/live", *self.given()).stdout

    def test_each_thing_that_is_the_matter_with_a_manifest_commit_has_its_own_line(self):
        self.keys.commit(self.path("code"), "ssh", "good")
        for name, commit, why in self.keys.cases(self.fleet):
            with self.subTest(name):
                told = f"gold/signed: manifests: commit {commit[:7]} {why}"
                self.assertEqual(self.planned(), [told] if why else [])
                if why:
                    self.assertIn(told, self.explained().replace("\n", " "))

    def test_each_thing_that_is_the_matter_with_a_code_commit_has_its_own_line(self):
        for name, commit, why in self.keys.cases(self.path("code")):
            with self.subTest(name):
                told = f"gold/signed: commit {commit[:7]} {why}"
                self.assertEqual(self.planned(), [told] if why else [])
                if why:
                    self.assertIn(told, self.explained().replace("\n", " "))

    def test_a_good_one_is_explained_with_its_signer(self):
        commit = self.keys.commit(self.path("code"), "gpg", "good")
        self.assertEqual(self.planned(), [])
        self.assertIn(f"the manifest commit is signed by {MAIL} ({self.keys.ssh['good'][2]}); commit {commit[:7]} is signed by {MAIL} "
                      f"({self.keys.gpg['good']})", self.explained())

    def test_a_tag_that_is_moved_while_its_commit_is_built_brings_nothing_else_in(self):
        self.site["application"]["commands"]["build"] = ["sleep 3"]
        self.environments["live"]["code"] = {"tag": "v1"}
        self.vouched()
        for kind in ("ssh", "gpg"):
            with self.subTest(kind):
                code = self.path("code")
                good = self.commit(f"good, {kind}")
                self.keys.sign(code, kind, "good", "tag", "-f", "-s", "-m", "a release", "v1")
                running = subprocess.Popen([PROGRAM, "apply", *self.given()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                journal = self.place("live", ".tidegate", "journal.json")
                end = time.monotonic() + 60
                while not os.path.exists(journal) and time.monotonic() < end:
                    time.sleep(0.02)
                evil = self.commit(f"evil, {kind}")
                git(code, "tag", "-f", "v1")
                running.wait(120)
                self.assertEqual(self.record("live")["commit"], good)
                self.assertEqual(self.planned(), [f"gold/signed: commit {evil[:7]} is not signed"])
                self.run_program("apply", *self.given())
                self.assertEqual(self.record("live")["commit"], good)
                self.keys.sign(code, kind, "good", "tag", "-f", "-s", "-m", "another", "v3")
                git(code, "update-ref", "refs/tags/v1", "refs/tags/v3")
                self.assertEqual(self.planned(), ['gold/signed: tag "v1" bears the name "v3" where it is signed'])


if __name__ == "__main__":
    unittest.main(verbosity=2)
