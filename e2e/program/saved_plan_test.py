"""Saved plans: what was looked at is done exactly so, or not at all."""
import json
import os
import stat
import unittest

from harness import Site, git

MOVED = "tidegate: nothing was done, for what the saved plan rests on has moved: "
AGAIN = "; plan again, and look at what is new: tidegate plan --out FILE\n"
DESIRED = "desired moved (its manifest, a secret of it, a rule for it or the branch it follows is another)"
OBSERVED = "observed moved (it is not as it was found then)"


def document(kind, name, spec, **metadata):
    return json.dumps({"apiVersion": "tidegate/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec})


class Saved(Site):
    """All three stages run the first commit; the second is there, and Test shall run it."""

    def setUp(self):
        super().setUp()
        self.apply()
        self.second = self.commit("two")
        self.apply()
        self.environments["test"]["code"] = {"commit": self.second}
        self.file = self.path("plan.json")

    def save(self, expect=2, *more):
        self.write_manifests()
        done = self.run_program("plan", *self.given(), "--out", self.file, *more)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        self.assertTrue(done.stderr.endswith(f"saved; to do exactly this: tidegate apply {self.file}\n"), done.stderr)
        return self.saved()

    def saved(self):
        with open(self.file, encoding="utf-8") as file:
            return json.load(file)

    def carry_out(self, expect=0, *more):
        done = self.run_program("apply", self.file, *more)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr + self.logs())
        return done

    def refused(self, *because):
        before = [o["id"] for o in self.history()]
        self.assertEqual(self.carry_out(1).stderr, MOVED + "; ".join(because) + AGAIN)
        self.assertEqual([o["id"] for o in self.history()], before)

    def commits(self):
        return [self.record(e)["commit"] for e in self.stages]

    def put(self, name, *documents):
        with open(self.path("manifests", name), "w", encoding="utf-8") as out:
            out.write("\n---\n".join(documents) + "\n")


class Carried(Saved):
    def test_its_steps_are_done_and_those_that_waited_for_them(self):
        self.environments["live"]["code"] = {"commit": self.second}
        saved = self.save()
        self.assertEqual([s["environment"] for s in saved["ready"]], ["test"])
        self.assertEqual([s["environment"] for s in saved["waiting"]], ["live"])
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
        self.carry_out()
        self.assertEqual(self.commits(), [self.second] * 3)
        self.assertEqual(self.run_program("explain", "acme/dev", *self.state()).returncode, 0, "the store remembers the manifests")

    def test_its_id_is_that_of_the_plan(self):
        saved = self.save()
        plan = self.plan()
        self.assertEqual(saved["id"], plan["id"])
        self.assertEqual({key: saved[key] for key in plan}, plan)
        self.assertEqual([(c["site"], c["environment"]) for c in saved["covers"]], [("acme", "test")])

    def test_what_others_do_meanwhile_does_not_hold_it_up(self):
        """Another site, another environment, a commit of the code that nobody asked for here."""
        before = self.save()["id"]
        self.put("other.yaml", document("Site", "other", {**self.site, "stages": ["live"], "launched": False}),
                 document("Environment", "live", {"code": {"branch": "main"}}, site="other"))
        self.put("broken.yaml", document("Site", "broken", {"stagez": []}))
        third = self.commit("three")
        self.environments["live"]["variables"] = {"A": "1"}
        self.write_manifests()
        self.carry_out()
        self.assertEqual(self.commits(), [self.second, self.second, self.first], "only what was saved is done")
        self.assertFalse(os.path.exists(self.path("root", "other")))
        self.assertNotEqual(self.plan()["id"], before)
        self.assertIn(third, json.dumps(self.plan()["ready"]))

    def test_what_follows_from_it_and_was_not_shown_is_left(self):
        """Live follows what Test has proven, and nobody was told that it would."""
        self.environments["live"] = {"code": {"from": "test"}}
        self.assertEqual([c["environment"] for c in self.save()["covers"]], ["test"])
        done = self.carry_out()
        self.assertEqual(self.commits(), [self.second, self.second, self.first])
        self.assertEqual(done.stderr.splitlines()[-1],
                         f"left, for the saved plan does not show it: acme/live: promote {self.second[:7]}")

    def test_a_hold_in_it_stays_one(self):
        self.environments["live"]["code"] = {"commit": self.commit("three")}
        self.environments["test"]["suspend"] = {"reason": "INC-1", "by": "ada"}
        self.save(2)
        self.carry_out(3)
        self.assertEqual(self.commits()[1:], [self.first, self.first])

    def test_of_one_site_alone(self):
        self.put("other.yaml", document("Site", "other", {**self.site, "stages": ["live"], "launched": False}),
                 document("Environment", "live", {"code": {"branch": "main"}}, site="other"))
        saved = self.save(2, "--site", "acme")
        self.assertEqual({c["site"] for c in saved["covers"]}, {"acme"})
        self.carry_out()
        self.assertEqual(self.commits()[1], self.second)
        self.assertFalse(os.path.exists(self.path("root", "other")))

    def test_with_nothing_to_do_it_does_nothing(self):
        self.environments["test"]["code"] = {"commit": self.first}
        saved = self.save(0)
        self.assertTrue(saved["converged"])
        self.carry_out()
        self.assertEqual(self.carry_out().returncode, 0)


class Refused(Saved):
    def test_a_manifest_that_was_changed(self):
        self.save()
        self.environments["test"]["code"] = {"branch": "main"}
        self.write_manifests()
        self.refused(f"acme/test: {DESIRED}")

    def test_a_branch_that_moved_on(self):
        self.environments["test"]["code"] = {"commit": self.first}
        third = self.commit("three")
        self.save()
        self.commit("four")
        self.refused(f"acme/dev: {DESIRED}")
        self.assertNotEqual(self.record("dev")["commit"], third)

    def test_a_secret_that_was_changed(self):
        self.environments["test"]["secrets"] = {"KEY": "key"}
        os.makedirs(self.path("secrets", "sites", "acme"))
        self.put_secret("one")
        self.save()
        self.put_secret("two")
        self.refused(f"acme/test: {DESIRED}")

    def put_secret(self, value):
        with open(self.path("secrets", "sites", "acme", "key"), "w", encoding="utf-8") as out:
            out.write(value)

    def test_a_policy_that_came(self):
        self.save()
        self.put("policy.yaml", document("Policy", "calm", {"rules": [
            {"name": "no-wipe", "forbid": {"verbs": ["wipe"]}}]}))
        self.refused(f"acme/test: {DESIRED}")

    def test_a_freeze_that_came(self):
        self.save()
        self.put("freeze.yaml", document("Freeze", "peak", {"reason": "sale"}))
        self.refused(f"acme/test: {DESIRED}")

    def test_a_change_by_hand(self):
        self.save()
        page = self.place("test", "current", "code", "web", "index.php")
        os.chmod(os.path.dirname(page), 0o755)
        os.remove(page)
        with open(page, "w", encoding="utf-8") as out:
            out.write("by hand")
        self.refused(f"acme/test: {OBSERVED}")

    def test_what_was_done_meanwhile(self):
        self.save()
        self.apply()
        self.refused(f"acme/test: {OBSERVED}")
        self.assertEqual(self.commits()[1], self.second)

    def test_content_that_was_taken_anew(self):
        """Test gets Live's content at the next generation; once done it is not done again."""
        self.environments["test"]["content"]["generation"] = 2
        saved = self.save()
        self.assertEqual([(c["environment"], c["desired"] is None) for c in saved["covers"]], [("test", False), ("live", True)])
        self.carry_out()
        self.refused(f"acme/test: {OBSERVED}")

    def test_a_site_that_is_gone(self):
        self.save()
        self.put("acme.yaml", document("Driver", "here", {"host": self.driver}))
        self.refused("acme/test: desired moved (no manifest declares acme any more)")


class FromGit(Saved):
    """The manifests of a branch: its commit of then is in the file, that of now is read."""

    def setUp(self):
        super().setUp()
        os.makedirs(self.path("fleet"))
        git(self.path("fleet"), "init", "-q", "-b", "main")
        self.then = self.commit_manifests("test shall run the second")
        self.address = f"file://{self.path('fleet')}@main"

    def given(self):
        if not os.path.isdir(self.path("fleet")):
            return super().given()
        return ["--manifests", self.address, "--secrets", self.path("secrets"), *self.state()]

    def test_an_unrelated_commit_lets_it_be(self):
        saved = self.save()
        self.assertEqual((saved["manifests"], saved["revision"]), (self.address, self.then))
        with open(self.path("fleet", "README.md"), "w", encoding="utf-8") as out:
            out.write("words\n")
        newest = self.commit_manifests("unrelated")
        self.assertEqual(self.save()["id"], saved["id"])
        self.carry_out()
        self.assertEqual(self.commits()[1], self.second)
        self.assertEqual(self.history()[0]["manifestRevision"], newest)

    def test_a_commit_about_what_it_covers_does_not(self):
        self.save()
        self.environments["test"]["variables"] = {"A": "1"}
        self.commit_manifests("a variable")
        self.refused(f"acme/test: {DESIRED}")

    def test_the_sources_of_a_configuration(self):
        self.start_controller().terminate()
        self.processes.pop().wait(60)
        self.environments["live"]["code"] = {"commit": self.second}
        self.commit_manifests("live, too")
        done = self.run_program("plan", "--config", self.path("tidegate.yaml"), "--out", self.file)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        self.assertEqual(self.saved()["config"], self.path("tidegate.yaml"))
        self.carry_out()
        self.assertEqual(self.commits(), [self.second] * 3)


class Files(Saved):
    """What is no saved plan is told in one line."""

    def damaged(self, text, because):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)
        self.assertEqual(self.carry_out(1).stderr, f'tidegate: "{self.file}" {because}\n')

    def test_damaged_and_foreign_files(self):
        self.save()
        with open(self.file, encoding="utf-8") as file:
            good = file.read()
        foreign = "is no saved plan; write one with: tidegate plan --manifests DIR --out FILE"
        broken = "is damaged: it is not as tidegate plan --out wrote it; plan again"
        for text in ("", "{", "[]", "apiVersion: tidegate/v1\n", json.dumps(self.plan()), good[:-20]):
            self.damaged(text, foreign)
        self.damaged(good.replace(self.second, self.first), broken)
        self.damaged(good.replace('"covers"', '"covered"'), broken)
        self.damaged(good.replace("tidegate/v1", "tidegate/v9"), "was saved by another version of tidegate; plan again")
        os.remove(self.file)
        self.assertEqual(self.carry_out(1).stderr, f'tidegate: there is no file "{self.file}"; write one with: '
                         "tidegate plan --manifests DIR --out FILE\n")

    def test_what_cannot_be_meant(self):
        for arguments, text in (
                ([], "--manifests: say which manifests: --manifests DIR or URL@REF, or the FILE of a saved plan"),
                ([self.file, *self.given()], "--manifests: a saved plan names its manifests; leave it out"),
                ([self.file, "--site", "acme"], "--site: a saved plan names its sites; leave it out")):
            done = self.run_program("apply", *arguments)
            self.assertEqual((done.returncode, done.stderr), (64, f"tidegate: {text}\nRun `tidegate apply --help`.\n"))
        done = self.run_program("apply", self.path("manifests"))
        self.assertEqual((done.returncode, done.stderr), (64, f'tidegate: "{self.path("manifests")}" is a directory, and no saved plan; '
                                                              f'for the manifests in it: tidegate apply --manifests {self.path("manifests")}\n'))

    def test_a_plan_that_cannot_be_saved(self):
        self.write_manifests()
        done = self.run_program("plan", *self.given(), "--out", self.path("nowhere", "plan.json"))
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith("tidegate: save the plan: "), done.stderr)


if __name__ == "__main__":
    unittest.main()
