"""Code and each part of the content go on apart from each other; what is asked of what failed is answered truly."""
import json
import os
import shutil
import unittest

from harness import Site, git


class Apart(Site):
    def begin(self):
        self.apply(0)
        self.site["launched"] = True
        self.apply(0)
        self.test = self.environments["test"]

    def release(self, environment):
        """The commit that it runs."""
        return self.record(environment)["commit"]


class Sources(Apart):
    def test_a_source_without_a_document_holds_the_content_alone(self):
        self.begin()
        self.environments["test"]["code"] = {"from": "dev"}
        self.test["content"]["generation"] = 2
        live = self.environments.pop("live")
        second = self.commit("two")
        done = self.apply(3)
        self.assertIn("its source live has no document; declare live, or name another source", done.stdout)
        self.assertEqual([self.release(e) for e in ("dev", "test")], [second, second])
        self.environments["live"] = live
        self.apply(0)
        self.assertEqual(self.record("test")["content"]["databases"]["generation"], 2)

    def test_a_fix_for_a_broken_live_still_passes_test(self):
        self.begin()
        self.query("live", "create table posts(title)")
        database = self.variables("live")["DATABASE_URL"].removeprefix("sqlite:///")
        shutil.copy2(database, self.path("good"))
        with open(database, "r+b") as file:
            file.write(b"broken" * 20)
        self.test["content"]["generation"] = 2
        second = self.commit("the fix")
        self.test["code"] = {"commit": second}
        done = self.apply(1)
        self.assertIn("acme/test", done.stderr)
        self.assertEqual([self.release(e) for e in ("dev", "test")], [second, second])
        self.assertEqual(self.record("test")["content"]["databases"]["generation"], 1)
        with open(self.path("good"), "rb") as good, open(database, "r+b") as file:
            file.write(good.read())
        self.assertEqual(self.run_program("retry", "acme/test", *self.state()).returncode, 0)
        self.apply(0)
        self.assertEqual(self.record("test")["content"]["databases"]["generation"], 2)

    def test_a_refresh_in_quarantine_keeps_no_commit_back(self):
        self.site["application"]["commands"]["afterCopy"] = ["sh -c 'test ! -e web/uploads/bad'"]
        self.begin()
        with open(self.place("live", "current/code/web/uploads/bad"), "w", encoding="utf-8"):
            pass
        self.test["content"]["refresh"] = {"onPromote": True}
        second = self.commit("two")
        self.test["code"] = {"commit": second}
        self.apply(1)
        self.assertEqual(self.release("test"), second)
        self.apply(0)

    def test_a_step_that_cannot_start_ends_no_other(self):
        self.begin()
        self.site["application"]["commands"]["build"] = ["sleep 2"]
        second = self.commit("two")
        self.test["driver"] = "elsewhere"
        with open(self.path("manifests/elsewhere.yaml"), "w", encoding="utf-8") as out:
            json.dump({"apiVersion": "tidegate/v1", "kind": "Driver", "metadata": {"name": "elsewhere"},
                       "spec": {"host": {"root": self.path("root"), "runAs": "no-such-user"}}}, out)
        self.write_manifests()
        done = self.run_program("apply", *self.given())
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("no-such-user", done.stdout + done.stderr)
        self.assertEqual(self.release("dev"), second, done.stdout + done.stderr)


class Told(Apart):
    def test_a_plan_knows_tracked_files_of_a_commit_that_was_never_fetched(self):
        for _ in ("new", "running"):
            commit = self.commit("tracked", **{"web/uploads/readme.txt": "r"})
            plan = self.plan()
            held = [h["message"] for h in plan["held"] if h["environment"] == "dev"]
            self.assertEqual(held, [f'commit {commit[:7]} has tracked files under "web/uploads", which the Site declares as content; '
                                    "remove them from the code, or declare another path"])
            self.assertEqual([s["environment"] for s in plan["ready"]], [])
            git(self.path("code"), "rm", "-q", "-r", "web/uploads")
            self.first = self.commit("without")
            self.environments["test"]["code"] = self.environments["live"]["code"] = {"commit": self.first}
            self.apply(0)

    def test_there_is_nothing_to_retry_without_a_quarantine(self):
        def retry(target):
            done = self.run_program("retry", target, *self.state())
            return done.returncode, done.stderr
        self.apply(0)
        self.assertEqual(retry("acme/dev"), (1, "tidegate: nothing is in quarantine on acme/dev\n"))
        self.assertEqual(retry("acme/staging"), (1, 'tidegate: site "acme" has no environment "staging"\n'))
        self.commit("bad", bad="1")
        self.environments["dev"]["verify"] = {"commands": ["sh -c 'test ! -e bad'"]}
        self.apply(1)
        self.assertEqual(retry("acme/dev")[0], 0)
        os.remove(self.path("code/bad"))
        self.commit("good")
        self.apply(0)
        self.assertEqual(retry("acme/dev"), (1, "tidegate: nothing is in quarantine on acme/dev\n"))

    def test_a_broken_site_is_explained_by_its_last_good_state(self):
        self.apply(0)
        with open(self.path("manifests/acme.yaml"), "r+", encoding="utf-8") as file:
            text = file.read().replace('["dev", "test", "live"]', '"dev"')
            file.seek(0)
            file.truncate()
            file.write(text)
        done = self.run_program("explain", "acme/dev", *self.given())
        self.assertIn('tidegate: the manifests of site "acme" are broken; its last good state is:\n', done.stderr)
        self.assertIn("spec.stages", done.stderr)
        self.assertIn("Converged", done.stdout)
        self.assertEqual(done.returncode, 0)
        done = self.run_program("explain", "other/dev", *self.given())
        self.assertIn('no manifest declares site "other"', done.stderr)

    def test_an_unknown_time_zone_is_an_error_at_its_line(self):
        self.environments["dev"]["content"]["refresh"] = {"schedule": "0 3 * * *", "timeZone": "Europe/Nowhere"}
        self.write_manifests()
        told = 'spec.content.refresh.timeZone: "Europe/Nowhere" is no time zone that this machine knows'
        done = self.run_program("validate", self.path("manifests"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"acme\.yaml:5:\d+: " + told)
        for command in ("plan", "apply"):
            done = self.run_program(command, *self.given())
            self.assertIn(told, done.stderr)
            self.assertEqual(done.returncode, 1)

    def test_an_unknown_time_zone_of_a_window_is_one_too(self):
        self.apply(0)
        with open(self.path("manifests/hours.yaml"), "w", encoding="utf-8") as file:
            file.write("apiVersion: tidegate/v1\nkind: Policy\nmetadata: {name: hours}\nspec:\n  rules:\n"
                       "    - {name: day, windows: {allow: [{cron: \"0 9 * * 1-4\", duration: 8h, timeZone: Europe/Berlim}]}}\n")
        place = self.path("manifests/hours.yaml") + ":6:83: "
        told = ('spec.rules[0].windows.allow[0].timeZone: "Europe/Berlim" is no time zone that this machine knows: '
                'write one like "Europe/Berlin", or install tzdata\n')
        done = self.run_program("validate", self.path("manifests"))
        self.assertEqual((done.returncode, done.stdout), (1, place + told))
        self.commit("two")
        plan = self.plan(expect=1)
        self.assertEqual([(hold["environment"], hold["reason"]) for hold in plan["held"]], [("dev", "PolicyBroken")])

    def test_a_pinned_commit_is_desired_and_a_next_look_has_a_time(self):
        self.apply(0)
        self.environments["dev"]["code"] = {"commit": "b" * 40}
        self.apply(3)
        status = self.status("dev")
        self.assertEqual(status["desired"]["commit"], "b" * 40)
        self.assertGreater(status["nextLook"]["at"], "2020")
        self.assertEqual(json.dumps(status["triedAgainAt"]), "null")


if __name__ == "__main__":
    unittest.main(verbosity=2)
