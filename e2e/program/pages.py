"""The places in which a page's commands are run: each holds what the page says is there."""
import datetime
import http.server
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import zoneinfo

from harness import PROGRAM, USER, git

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
# The same place on every page; each run has a directory of its own.
PLACE = "/tmp/acme"


def read(*names):
    with open(os.path.join(TREE, *names), encoding="utf-8") as file:
        return file.read()


class Place:
    """A directory with the program on its PATH, in which a page's commands are run one after the other."""

    address = ""  # Of its pages.

    def __init__(self, case):
        self.case = case
        self.dir = tempfile.mkdtemp(prefix="tidegate-pages-")
        case.addCleanup(shutil.rmtree, self.dir, True)
        os.chmod(self.dir, 0o755)
        self.put("home/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n")
        os.makedirs(self.path("bin"))
        os.symlink(PROGRAM, self.path("bin", "tidegate"))
        self.environment = {"PATH": self.path("bin") + ":/usr/local/bin:/usr/bin:/bin", "HOME": self.path("home"),
                            "GIT_CONFIG_NOSYSTEM": "1", "LANG": "C.UTF-8", "SUDO_USER": "ada"}

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def put(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)

    def run(self, command, directory=None):
        done = subprocess.run(["bash", "-c", command.replace(PLACE, self.dir)], text=True, check=False, timeout=120, cwd=directory or self.dir,
                              env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = done.stdout.replace(self.dir, PLACE)
        return text.replace(self.address, "127.0.0.1:8080") if self.address else text


class Acme(Place):
    """Dev, Test and Live of a site of one page, whose commits have the same ids in every run."""
    stages = ("dev", "test", "live")
    labels, site, more = "", "", {}

    def __init__(self, case):
        super().__init__(case)
        for name in ("sites", "code", "fleet", "secrets"):
            os.makedirs(self.path(name))
        git(self.dir, "init", "-q", "--bare", "-b", "main", "code.git")
        git(self.path("code"), "init", "-q", "-b", "main")
        git(self.path("code"), "remote", "add", "origin", self.path("code.git"))
        self.minute = 0
        self.first = self.commit("A first page")
        self.code = {"dev": "branch: main", "test": "commit: " + self.first, "live": "commit: " + self.first}
        for self.site in ("  launched: false\n", ""):  # Built first, then launched.
            self.declare()
            self.apply()

    def commit(self, message, branch="main", name="index.html"):
        self.put("code/" + name, f"<h1>{message}</h1>\n")
        self.minute += 1
        at = f"2026-11-20T09:{self.minute:02}:00Z"
        git(self.path("code"), "add", "-A")
        subprocess.run(["git", "-C", self.path("code"), "commit", "-q", "-m", message], check=True,
                       env={**self.environment, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at})
        git(self.path("code"), "push", "-q", "origin", branch)
        return git(self.path("code"), "rev-parse", branch)

    def declare(self):
        head = "apiVersion: tidegate/v1\nkind: %s\nmetadata: {name: %s}\nspec:\n"
        documents = [head % ("Driver", "here") + f"  host: {{root: {self.path('sites')}, runAs: {USER}}}\n",
                     head % ("Site", "acme" + self.labels) + f"  driver: here\n  repository: {{url: {self.path('code.git')}}}\n"
                     f"  stages: [{', '.join(self.stages)}]\n  content: {{files: [{{name: uploads, path: uploads}}]}}\n{self.site}"]
        for name in self.stages:
            content = "" if name == "live" else "\n  content: {source: live}\n"
            documents.append(head % ("Environment", name + ", site: acme") + f"  code: {{{self.code[name]}}}\n{content}{self.more.get(name, '')}")
        self.put("fleet/acme.yaml", "---\n".join(documents))

    def apply(self):
        out = self.run("tidegate apply --manifests fleet --secrets secrets --state state.db")
        self.case.assertTrue(out.endswith("acme  converged\n"), out)

    def promote(self, **commits):
        for environment, commit in commits.items():
            self.code[environment] = "commit: " + commit
        self.declare()


def document(page):
    """The page's own example."""
    return re.search(r"```yaml\n(apiVersion:.*?)```", read("manifests", page), re.S).group(1)


def in_a_week():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=7)).strftime("%Y-%m-%dT00:00:00Z")


def policy_place(case):
    place = Acme(case)
    second = place.commit("A redesign")
    place.promote(test=second)
    place.apply()
    place.labels = ", labels: {tier: gold}"
    place.more = {"live": "  url: https://acme.example\n  verify: {http: [{path: /, status: 200}]}\n"}
    place.promote(live=second)
    today = datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin")).isoweekday()
    policy = document("policy.md")
    if today < 5:  # Held whenever the test is run.
        policy = policy.replace("* * 1-4", "* * 6")
    place.put("fleet/policy.yaml", policy)
    return place


def freeze_place(case):
    place = Acme(case)
    second = place.commit("A redesign")
    place.promote(test=second)
    place.apply()
    place.promote(live=second)
    freeze = re.sub(r"from: \S+", "from: 2026-11-20T00:00:00Z", document("freeze.md"))
    if datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d") >= "2026-11-30":
        freeze = re.sub(r"until: \S+", "until: " + in_a_week(), freeze)
    place.put("fleet/freeze.yaml", freeze)
    return place


def grant_place(case):
    place = Acme(case)
    git(place.path("code"), "switch", "-q", "-c", "hotfix")
    hotfix = place.commit("The form keeps what was typed", "hotfix", "form.html")
    git(place.path("code"), "switch", "-q", "main")
    place.promote(live=hotfix)
    place.put("fleet/policy.yaml", "apiVersion: tidegate/v1\nkind: Policy\nmetadata: {name: gold-live}\nspec:\n  select: {environments: {authority: true}}\n"
              "  rules: [{name: soaked, provenIn: {environment: test, for: 2h}}]\n")
    grant = re.sub(r"commit: \w+", "commit: " + hotfix, document("grant.md"))
    place.put("grant.yaml", re.sub(r"expires: \S+", "expires: " + in_a_week(), grant))
    return place


def hand_place(case):
    """Dev is changed by hand."""
    place = Acme(case)
    place.code["dev"] = "branch: main, writable: true"
    place.declare()
    place.apply()
    place.put("sites/acme/dev/current/code/index.html", "<h1>A wider page</h1>\n<p>by hand</p>\n")
    place.put("sites/acme/dev/current/code/banner.html", "<p>Sale</p>\n")
    return place


def controlled(place, more=""):
    """A controller that follows the branch main of a bare repository, which `fleet` is a clone of."""
    git(place.dir, "init", "-q", "--bare", "-b", "main", "fleet.git")
    place.run("git init -q fleet && git -C fleet remote add origin ../fleet.git")
    place.put("tidegate.yaml", "apiVersion: tidegate/v1\nkind: Configuration\nsources: [{name: fleet, url: fleet.git, interval: 1s}]\n"
              f"state: state.db\nresync: 2s\n{more}")
    push(place, "The fleet")
    with open(place.path("log"), "w", encoding="utf-8") as log:
        controller = subprocess.Popen([PROGRAM, "controller", "--config", place.path("tidegate.yaml")], stdout=log, stderr=log, env=place.environment)
    place.case.addCleanup(lambda: (controller.terminate(), controller.wait(60)))
    until(place, lambda: "manifests changed" in place.run("cat log"))
    place.run("tidegate wait acme --config tidegate.yaml --timeout 60s")


def push(place, message):
    place.declare()
    place.run(f"cd fleet && git add -A && git commit -q -m '{message}' && git push -q -u origin main")


def until(place, condition):
    end = time.monotonic() + 60
    while not condition():
        place.case.assertLess(time.monotonic(), end, place.run("cat log"))
        time.sleep(0.1)


def told_place(case):
    """A controller that tells of a failure."""
    place = Acme(case)
    place.more = {"dev": "  verify: {commands: [\"grep -q h1 index.html\"]}\n"}
    controlled(place, f"notify: [{{name: on-call, command: \"sh -c 'cat >> {place.path('told')}; echo >> {place.path('told')}'\"}}]\n")
    place.put("code/index.html", "nothing\n")
    place.run("git -C code commit -q -am 'A broken page' && git -C code push -q origin main")
    until(place, lambda: os.path.exists(place.path("told")) and os.path.getsize(place.path("told")))
    return place


def revert_place(case):
    """Live has gone back, in git too, from a page that answered 500 once visitors saw it."""
    place = Acme(case)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with open(place.path("sites/acme/live/current/code/index.html"), "rb") as file:
                page = file.read()
            self.send_response(500 if b"broken" in page else 200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    case.addCleanup(lambda: (server.shutdown(), server.server_close()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place.address = f"127.0.0.1:{server.server_address[1]}"
    place.more = {"live": f"  url: http://{place.address}\n  verify: {{retryFor: 0s}}\n  onFailure: {{revertManifest: true}}\n"}
    controlled(place)
    broken = place.commit("A broken page")
    place.promote(test=broken)
    push(place, "Test runs the new page")
    until(place, lambda: broken in place.run("cat sites/acme/test/current/release.json"))
    place.promote(live=broken)
    push(place, "Live runs the new page")
    until(place, lambda: "Tidegate" in place.run("git -C fleet.git log -1 --format=%an main"))
    return place


def case_place(case):
    place = Place(case)
    place.put("fleet/fleet.yaml", read("manifests/policy-tests/fleet.yaml"))
    place.put("fleet/soaked.case.yaml", document("policy-test.md"))
    return place


PLACES = {"policy.md": policy_place, "freeze.md": freeze_place, "grant.md": grant_place, "environment.md": [hand_place, revert_place],
          "configuration.md": told_place, "policy-test.md": case_place}
