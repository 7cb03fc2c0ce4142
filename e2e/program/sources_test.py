"""Several sources of manifests: what a site team's repository may say, and what it may not."""
import json
import os
import re
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

    def begin(self, rivals=None, **allow):
        def team(name, **more):
            return {"name": name, "url": self.path(name), "interval": "1s", "role": "sites", **more}
        self.start_controller(sources=[
            team("team", allow={"sites": ["team-*"], "drivers": ["here"], **allow}), *([team("rivals", **rivals)] if rivals else []),
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

    def test_each_forbidden_thing_is_refused_by_a_line_that_names_its_source_and_its_place(self):
        os.makedirs(self.path("fleet"))
        git(self.path("fleet"), "init", "-q", "-b", "main")
        with open(self.path("fleet", "platform.yaml"), "w", encoding="utf-8") as out:
            out.write(document("SiteClass", "gold", {"driver": "vault"}) + "\n---\n" + document("Driver", "vault", {"host": {"root": self.path("root")}}))
        self.commit_manifests("the fleet")
        grant = {"site": "team-shop", "environment": "live", "allow": {"unlaunch": {}}, "reason": "x", "by": "me", "expires": "2099-01-01T00:00:00Z"}
        only = "its role is sites, which gives Site and Environment"
        own, named = "it is allowed team-*", {"code": {"branch": "main"}}

        def site(name, **more):
            return document("Site", name, {**self.site, **more})
        token = {"url": self.path("code"), "credentials": {"secret": "../acme/token"}}
        told = [  # What is tried, where it is wrong, and what is said.
            (document("Policy", "mine", {"rules": [{"name": "stop", "forbid": {"verbs": ["promote"]}}]}), "metadata.name", f'may not give Policy "mine": {only}'),
            (document("Driver", "mine", {"host": {"root": "/"}}), "metadata.name", f'may not give Driver "mine": {only}'),
            (document("SiteClass", "mine", {}), "metadata.name", f'may not give SiteClass "mine": {only}'),
            (document("Freeze", "mine", {"reason": "everybody waits"}), "metadata.name", f'may not give Freeze "mine": {only}'),
            (document("Grant", "mine", grant), "metadata.name", f'may not give Grant "mine": {only}'),
            (site("acme"), "metadata.name", f'may not speak of site "acme": {own}'),
            (document("Environment", "live", named, site="acme"), "metadata.site", f'may not speak of site "acme": {own}'),
            (site("other"), "metadata.name", f'may not speak of site "other": {own}'),
            (site("team-class", **{"class": "gold"}), "spec.class", 'may not name SiteClass "gold": it is allowed none'),
            (site("team-driver", driver="vault"), "spec.driver", 'may not name Driver "vault": it is allowed here'),
            (document("Environment", "live", {**named, "driver": "vault"}, site="team-shop"), "spec.driver",
             'may not name Driver "vault": it is allowed here'),
            (site("team-token", repository=token), "spec.repository.credentials.secret", None),
            (document("Environment", "live", {**named, "secrets": {"TOKEN": "../acme/token"}}, site="team-class"), "spec.secrets.TOKEN", None),
        ]
        self.push(*(text for text, _, _ in told), site("team-shop"))
        self.begin(localRepositories=True)
        plan = self.run_program("plan", "--config", self.path("tidegate.yaml"), *self.state())
        self.assertEqual(plan.returncode, 1)
        for number, (_, field, what) in enumerate(told):
            said = f': {field}: source "team" {what}\n' if what else f": {field}: is not a secret's name"
            with self.subTest(said):
                self.assertRegex(plan.stderr, rf"(?m)^team/sites\.yaml:{2 * number + 1}:\d+" + re.escape(said))
        refused = [line for line in plan.stderr.splitlines() if line.startswith("team/") and ": warning: " not in line]
        self.assertEqual(len(refused), len(told), plan.stderr)
        self.until("acme runs", lambda: self.runs("acme"))
        self.assertEqual(sorted(name for name in os.listdir(self.path("root")) if name.startswith("team")), [])

    def test_a_secret_of_another_site_is_not_there_for_it(self):
        for site in ("acme", "team-shop"):
            os.makedirs(self.path("secrets", "sites", site))
        for place in ("acme-token", "sites/acme/acme-token", "sites/team-shop/own-token"):
            with open(self.path("secrets", place), "w", encoding="utf-8") as out:
                out.write("kept-from-others")
        self.push(document("Site", "team-shop", self.site),
                  document("Environment", "live", {"code": {"branch": "main"}, "secrets": {"TOKEN": "acme-token"}}, site="team-shop"))
        self.begin(localRepositories=True)
        self.until("acme runs", lambda: self.runs("acme"))
        self.said('secret "acme-token": cannot read "' + self.path("secrets", "sites", "team-shop", "acme-token") + '"')
        self.assertFalse(self.runs("team-shop"))
        self.push(document("Site", "team-shop", self.site),
                  document("Environment", "live", {"code": {"branch": "main"}, "secrets": {"TOKEN": "own-token"}}, site="team-shop"))
        self.until("with its own it runs", lambda: self.runs("team-shop"))

    def test_a_site_that_another_team_had_first_stays_with_it(self):
        self.push(*self.own("team-shop"))
        os.makedirs(self.path("rivals"))
        git(self.path("rivals"), "init", "-q", "-b", "main")
        git(self.path("rivals"), "commit", "-q", "--allow-empty", "-m", "nothing yet")
        with open(self.path("rivals", "readme.txt"), "w", encoding="utf-8") as out:
            out.write("Our sites.\n")
        git(self.path("rivals"), "add", "-A")
        git(self.path("rivals"), "commit", "-q", "-m", "a beginning")
        self.begin(localRepositories=True, rivals={"allow": {"sites": ["*-shop"], "drivers": ["here"], "localRepositories": True}})
        self.until("the team's shop runs", lambda: self.runs("team-shop"))
        first = self.commit_of("team-shop")
        with open(self.path("rivals", "ours.yaml"), "w", encoding="utf-8") as out:
            out.write("\n---\n".join(self.own("team-shop")) + "\n")
        git(self.path("rivals"), "add", "-A")
        git(self.path("rivals"), "commit", "-q", "-m", "theirs is ours")
        taken = 'site "team-shop" is given by source "team", in team/sites.yaml:1: take this '
        self.said("rivals/ours.yaml:1:", f'metadata.name: {taken}Site out of source "rivals"',
                  "rivals/ours.yaml:3:", f'metadata.site: {taken}Environment out of source "rivals"')
        self.assertEqual(self.commit_of("team-shop"), first)
        second = self.commit("two")
        self.until("the team goes on with it", lambda: self.commit_of("team-shop") == second)

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
