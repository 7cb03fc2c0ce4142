"""Several sources of manifests: what a site team's repository may say, and what it may not."""
import json
import os
import unittest

from harness import Site, git


def document(kind, name, spec, **metadata):
    return json.dumps({"apiVersion": "tidegate/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec})


class Teams(Site):
    """The platform team's fleet with the site acme, and a team whose sites are called team-…."""
    launched = True

    def setUp(self):
        super().setUp()
        self.stages, self.site["stages"] = ["live"], ["live"]
        self.environments = {"live": {"code": {"commit": self.first}}}
        self.site["launched"] = False
        os.makedirs(self.path("team"))
        git(self.path("team"), "init", "-q", "-b", "main")

    def push(self, *documents):
        with open(self.path("team", "sites.yaml"), "w", encoding="utf-8") as out:
            out.write("\n---\n".join(documents) + "\n")
        git(self.path("team"), "add", "-A")
        git(self.path("team"), "commit", "-q", "-m", "sites")

    def own(self, name, **more):
        return [document("Site", name, {**self.site, **more}),
                document("Environment", "live", {"code": {"branch": "main"}}, site=name)]

    def begin(self, **allow):
        self.start_controller(sources=[
            {"name": "team", "url": self.path("team"), "interval": "1s", "role": "sites",
             "allow": {"sites": ["team-*"], "drivers": ["here"], **allow}},
            {"name": "fleet", "url": self.path("fleet"), "interval": "1s"}])

    def log(self):
        with open(self.path("controller.log"), encoding="utf-8") as file:
            return file.read().replace("\\\"", "\"")

    def runs(self, site):
        return os.path.exists(self.path("root", site, "live", "current", "release.json"))

    def commit_of(self, site):
        with open(self.path("root", site, "live", "current", "release.json"), encoding="utf-8") as file:
            return json.load(file)["commit"]

    def said(self, *texts):
        for text in texts:
            self.until(text, lambda t=text: t in self.log(), 20)

    def test_a_team_brings_its_own_sites_and_nothing_else(self):
        self.push(*self.own("team-shop"))
        self.begin(localRepositories=True)
        self.until("both run", lambda: self.runs("acme") and self.runs("team-shop"))
        before = self.record("live")
        grant = {"site": "team-shop", "environment": "live", "allow": {"unlaunch": {}}, "reason": "x", "by": "me",
                 "expires": "2099-01-01T00:00:00Z"}
        self.push(document("Policy", "mine", {"rules": [{"name": "stop", "forbid": {"verbs": ["promote"]}}]}),
                  document("Driver", "here", {"host": {"root": self.path("root", "stolen")}}),
                  document("SiteClass", "mine", {}),
                  document("Freeze", "mine", {"reason": "everybody waits"}),
                  document("Grant", "mine", grant),
                  *self.own("acme"), *self.own("team-two", driver="other"),
                  *self.own("team-three", repository={"url": self.path("code"), "credentials": {"secret": "../acme/token"}}),
                  *self.own("team-shop"))
        place = "team/sites.yaml:"
        self.said(*(f'source "team" may not give {what}: its role is sites, which gives Site and Environment'
                    for what in ('Policy "mine"', 'Driver "here"', 'SiteClass "mine"', 'Freeze "mine"', 'Grant "mine"')),
                  'metadata.name: source "team" may not speak of site "acme": it is allowed team-*',
                  'metadata.site: source "team" may not speak of site "acme": it is allowed team-*',
                  'spec.driver: source "team" may not name Driver "other": it is allowed here',
                  "spec.repository.credentials.secret: is not a secret's name")
        self.assertIn(place, self.log())
        # Whoever asks without the controller hears the same.
        plan = self.run_program("plan", "--config", self.path("tidegate.yaml"), *self.state())
        self.assertEqual(plan.returncode, 1)
        self.assertIn('source "team" may not give Driver "here"', plan.stderr)
        self.assertNotIn("stolen", plan.stdout)
        # Everybody goes on: the platform's site and the team's own follow their next commit.
        second = self.commit("two")
        self.environments["live"]["code"]["commit"] = second
        self.commit_manifests("acme goes on")
        self.until("acme goes on", lambda: self.record("live")["commit"] == second != before["commit"])
        self.until("the team goes on", lambda: self.commit_of("team-shop") == second)
        self.assertFalse(os.path.exists(self.path("root", "stolen")))
        self.assertFalse(self.runs("team-two") or self.runs("team-three"))

    def test_a_team_does_not_have_this_machines_files_read(self):
        self.push(*self.own("team-shop"))
        self.begin()
        self.said('spec.repository.url: source "team" may not name files of this machine')
        self.until("acme runs", lambda: self.runs("acme"))
        self.assertFalse(self.runs("team-shop"))

    def test_nothing_starts_before_the_platform_was_heard(self):
        self.push(*self.own("team-shop"))
        os.makedirs(self.path("fleet"))  # There, and no repository yet.
        self.begin(localRepositories=True)
        self.said("manifests cannot be read")
        git(self.path("fleet"), "init", "-q", "-b", "main")
        self.commit_manifests("the fleet")
        self.until("the team's site runs", lambda: self.runs("team-shop"))


if __name__ == "__main__":
    unittest.main()
