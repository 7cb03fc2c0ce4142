"""A site of its own for each test: a code repository, manifests, a root and the real program."""
import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ.get("TIDEGATE", os.path.abspath(os.path.join(os.path.dirname(__file__), "../../build/release/tidegate")))
IDENTITY = ["-c", "user.name=Site Team", "-c", "user.email=site@example.org", "-c", "commit.gpgsign=false"]
USER = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def git(directory, *arguments):
    done = subprocess.run(["git", "-C", directory, *IDENTITY, *arguments], check=True, text=True, stdout=subprocess.PIPE,
                          env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"})
    return done.stdout.strip()


class Site(unittest.TestCase):
    """dev follows main, test and live are pinned; one SQLite database, one uploads directory."""
    stages = ["dev", "test", "live"]
    launched = False
    commands = {}

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tidegate-program-")
        os.chmod(self.dir, 0o755)
        self.addCleanup(shutil.rmtree, self.dir, True)
        for name in ("root", "manifests", "code/web", "secrets"):
            os.makedirs(os.path.join(self.dir, name))
        git(self.path("code"), "init", "-q", "-b", "main")
        self.first = self.commit("one")
        self.environments = {
            "dev": {"code": {"branch": "main"}, "content": {"source": "live"}},
            "test": {"code": {"commit": self.first}, "content": {"source": "live"}},
            "live": {"code": {"commit": self.first}},
        }
        self.site = {"driver": "here", "repository": {"url": self.path("code")}, "stages": list(self.stages),
                     "launched": self.launched,
                     "application": {"type": "custom", "docroot": "web", "commands": dict(self.commands)},
                     "content": {"databases": [{"name": "main", "engine": "sqlite"}],
                                 "files": [{"name": "uploads", "path": "web/uploads"}]}}
        self.driver = {"root": self.path("root"), "runAs": USER}
        self.processes = []
        self.addCleanup(self.end_processes)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def place(self, environment, *names):
        return self.path("root", "acme", environment, *names)

    def commit(self, text, **files):
        for name, content in {"web/index.php": f"<?php echo '{text}';\n", **files}.items():
            file = os.path.join(self.path("code"), name)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "w", encoding="utf-8") as out:
                out.write(content)
        git(self.path("code"), "add", "-A")
        git(self.path("code"), "commit", "-q", "--allow-empty", "-m", text)
        return git(self.path("code"), "rev-parse", "HEAD")

    def write_manifests(self, directory=None):
        def document(kind, name, spec, **metadata):
            return json.dumps({"apiVersion": "tidegate/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec})
        documents = [document("Driver", "here", {"host": self.driver}), document("Site", "acme", self.site)]
        documents += [document("Environment", name, spec, site="acme") for name, spec in self.environments.items()]
        with open(os.path.join(directory or self.path("manifests"), "acme.yaml"), "w", encoding="utf-8") as out:
            out.write("\n---\n".join(documents) + "\n")

    def run_program(self, *arguments, timeout=120):
        done = subprocess.run([PROGRAM, *arguments], text=True, capture_output=True, timeout=timeout, check=False,
                              env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.dir})
        return done

    def state(self):
        return ["--state", self.path("state.db")]

    def given(self):
        return ["--manifests", self.path("manifests"), "--secrets", self.path("secrets"), *self.state()]

    def apply(self, expect=0, *more):
        self.write_manifests()
        done = self.run_program("apply", *self.given(), *more)
        self.assertEqual(done.returncode, expect, f"apply:\n{done.stdout}{done.stderr}\n{self.logs()}")
        return done

    def plan(self, expect=None):
        self.write_manifests()
        done = self.run_program("plan", *self.given(), "-o", "json")
        if expect is not None:
            self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def status(self, environment):
        done = self.run_program("status", "acme/" + environment, *self.state(), "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["sites"][0]["environments"][0]

    def history(self):
        done = self.run_program("history", "acme", *self.state(), "-o", "json")
        return json.loads(done.stdout)["operations"] if done.returncode == 0 else []

    def logs(self):
        out = ""
        for operation in self.history()[:3]:
            target = f"acme/{operation['environment']}"
            out += target + "\n" + self.run_program("logs", target, "--operation", operation["id"], *self.state()).stdout
        return out

    def running(self, environment):
        return os.readlink(self.place(environment, "current"))

    def record(self, environment):
        with open(self.place(environment, "current", "release.json"), encoding="utf-8") as file:
            return json.load(file)

    def page(self, environment):
        with open(self.place(environment, "current", "code", "web", "index.php"), encoding="utf-8") as file:
            return file.read()

    def variables(self, environment):
        with open(self.place(environment, "current", "environment"), encoding="utf-8") as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file)

    def database(self, environment):
        return sqlite3.connect(self.variables(environment)["DATABASE_URL"].removeprefix("sqlite:///"), timeout=10)

    def query(self, environment, statement):
        connection = self.database(environment)
        try:
            rows = connection.execute(statement).fetchall()
            connection.commit()
            return rows
        finally:
            connection.close()

    def reasons(self, environment):
        return [hold["reason"] for hold in self.plan()["held"] if hold["environment"] == environment]

    # ---- a running controller on a git repository of manifests ----

    def start_controller(self, **more):
        fleet = self.path("fleet")
        if not os.path.isdir(fleet):
            os.makedirs(fleet)
            git(fleet, "init", "-q", "-b", "main")
            self.commit_manifests("the fleet")
        configuration = {"apiVersion": "tidegate/v1", "kind": "Configuration",
                         "sources": [{"name": "fleet", "url": fleet, "interval": "1s"}],
                         "secretsDirectory": self.path("secrets"), "state": self.path("state.db"),
                         "resync": "2s", **more}
        with open(self.path("tidegate.yaml"), "w", encoding="utf-8") as out:
            json.dump(configuration, out)
        log = open(self.path("controller.log"), "a", encoding="utf-8")
        process = subprocess.Popen([PROGRAM, "controller", "--config", self.path("tidegate.yaml")], stderr=log, stdout=log,
                                   env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.dir})
        log.close()
        self.processes.append(process)
        return process

    def commit_manifests(self, message):
        self.write_manifests(self.path("fleet"))
        git(self.path("fleet"), "add", "-A")
        git(self.path("fleet"), "commit", "-q", "--allow-empty", "-m", message)
        return git(self.path("fleet"), "rev-parse", "HEAD")

    def log(self):
        with open(self.path("controller.log"), encoding="utf-8") as file:
            return file.read()

    def until(self, what, condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except (OSError, sqlite3.Error, KeyError, IndexError, AssertionError, json.JSONDecodeError):
                pass
            time.sleep(0.05)
        self.fail(f"not within {seconds} s: {what}\n{self.log()[-4000:]}\n{self.logs()}")

    def end_processes(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
