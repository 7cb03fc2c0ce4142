"""Sites to measure with: code repositories, manifests, a root, and the program on them."""
import json
import os
import pwd
import random
import signal
import subprocess
import time

from measure import Failed, once

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("TIDEGATE", os.path.abspath(os.path.join(HERE, "../../build/release/tidegate")))
IDENTITY = ["-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false", "-c", "gc.auto=0",
            "-c", "maintenance.auto=false"]
USER = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def git(directory, *arguments):
    done = subprocess.run(["git", "-C", directory, *IDENTITY, *arguments], check=True, text=True, stdout=subprocess.PIPE,
                          env={"PATH": "/usr/bin:/bin", "HOME": directory, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"})
    return done.stdout.strip()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def document(kind, name, spec, **metadata):
    return json.dumps({"apiVersion": "tidegate/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec})


class World:
    """One directory with everything in it."""

    def __init__(self, directory):
        self.dir = directory
        for name in ("root", "fleet", "code", "secrets", "state"):
            os.makedirs(self.at(name))
        for name in ("fleet", "code"):
            git(self.at(name), "init", "-q", "-b", "main")

    def at(self, *names):
        return os.path.join(self.dir, *names)

    def place(self, site, environment, *names):
        return self.at("root", site, environment, *names)

    def commit(self, repository, message):
        git(self.at(repository), "add", "-A")
        git(self.at(repository), "commit", "-q", "--allow-empty", "-m", message)
        return git(self.at(repository), "rev-parse", "HEAD")

    def code(self, files, seed=1):
        """A tree of so many files of 1 to 9 KB of text; the same ones for one seed."""
        dice = random.Random(seed)
        words = [f"word{i:04x}" for i in range(4000)]
        for i in range(files):
            text = " ".join(dice.choices(words, k=dice.randrange(100, 1000)))
            write(self.at("code", "web", f"part{i % 100}", f"file{i}.php"), f"<?php // {i}\n/* {text} */\n")
        write(self.at("code", "web", "index.php"), "<?php echo 'bench';\n")
        return self.commit("code", "code")

    def change_code(self, files, round_):
        for i in range(files):
            with open(self.at("code", "web", f"part{i * 2 % 100}", f"file{i * 102}.php"), "a", encoding="utf-8") as out:
                out.write(f"// change {round_}\n")
        return self.commit("code", f"change {round_}")

    def driver(self, **more):
        write(self.at("fleet", "driver.yaml"), document("Driver", "here", {"host": {"root": self.at("root"), "runAs": USER, **more}}) + "\n")

    def site(self, name, environments, content=None, launched=False):
        """Documents of one site; `environments` in the order of its stages."""
        documents = [document("Site", name, {
            "driver": "here", "repository": {"url": self.at("code")}, "stages": list(environments), "launched": launched,
            "application": {"type": "custom", "docroot": "web"}, "content": content or {}})]
        documents += [document("Environment", each, spec, site=name) for each, spec in environments.items()]
        write(self.at("fleet", name[-2:], f"{name}.yaml"), "\n---\n".join(documents) + "\n")

    def state(self):
        return ["--state", self.at("state", "state.db")]

    def given(self, *more):
        return [PROGRAM, *more, "--manifests", self.at("fleet"), "--secrets", self.at("secrets"), *self.state()]

    def apply(self, *more, expect=0):
        return once(self.dir, *self.given("apply", "--timeout", "3h", *more), expect=expect)

    def plan(self, *more, expect=0):
        return once(self.dir, *self.given("plan", *more), expect=expect)

    def record(self, site, environment):
        with open(self.place(site, environment, "current", "release.json"), encoding="utf-8") as file:
            return json.load(file)

    def variables(self, site, environment):
        with open(self.place(site, environment, "current", "environment"), encoding="utf-8") as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file)


class Running:
    """A controller on the world's manifests, its log read as it comes."""

    def __init__(self, world, resync, interval="1s"):
        self.world = world
        write(world.at("controller.yaml"), json.dumps({
            "apiVersion": "tidegate/v1", "kind": "Configuration", "resync": resync,
            "sources": [{"name": "fleet", "url": world.at("fleet"), "interval": interval}],
            "secretsDirectory": world.at("secrets"), "state": world.at("state", "state.db")}))

    def __enter__(self):
        self.log = open(self.world.at("controller.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([PROGRAM, "controller", "--config", self.world.at("controller.yaml")], stdout=self.log,
                                        stderr=self.log, env={"PATH": "/usr/bin:/bin", "HOME": self.world.dir})
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def line(self, text, after=0, patience=600):
        """Where the log goes on behind the first line with `text`, and when that was seen."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with open(self.world.at("controller.log"), encoding="utf-8", errors="replace") as log:
                log.seek(after)
                seen = log.read()
            found = seen.find(text)
            if found >= 0 and "\n" in seen[found:]:
                return after + len(seen[:seen.find("\n", found) + 1].encode()), time.monotonic()
            if self.process.poll() is not None:
                raise Failed(f"the controller ended:\n{seen[-2000:]}")
            time.sleep(0.0005)
        raise Failed(f"no line \"{text}\" within {patience} s:\n{seen[-2000:]}")
