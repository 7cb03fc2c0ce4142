"""The demo's own world: a directory with two git repositories, a controller and the web servers."""
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import fleet

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENTS = ["dev", "test", "live"]
DEMO_USER = "tidegate-demo"


class Trouble(Exception):
    """The demo cannot go on; its text says why."""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def git(directory, *arguments):
    identity = ["-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"]
    done = subprocess.run(["git", "-C", directory, *identity, *arguments], text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


class World:
    def __init__(self, program):
        self.program = os.path.abspath(program)
        self.processes = []
        self.user = None       # Whom site commands and pages run as; None: whoever runs the demo.
        self.made_user = False
        self.dir = tempfile.mkdtemp(prefix="tidegate-demo-")
        os.chmod(self.dir, 0o755)
        self.state = self.path("state", "state.db")
        ports = free_ports(2 * len(ENVIRONMENTS))
        address = [f"http://127.0.0.1:{port}" for port in ports]
        self.addresses = dict(zip(ENVIRONMENTS, address))
        self.previews = dict(zip(ENVIRONMENTS, address[len(ENVIRONMENTS):]))

    def path(self, *names):
        return os.path.join(self.dir, *names)

    # Set-up.

    def choose_user(self):
        """Root runs no site's commands as root, so root's demo has a system user of its own."""
        if os.geteuid() != 0:
            return
        try:
            pwd.getpwnam(DEMO_USER)
        except KeyError:
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home",
                            "--shell", "/usr/sbin/nologin", DEMO_USER], check=True)
            self.made_user = True
        self.user = DEMO_USER

    def make_repositories(self):
        """The code repository and the GitOps repository, with their first commits. What the machine
        lacks for sandboxes, or None: some containers forbid them; the demo then does without."""
        shutil.copytree(os.path.join(HERE, "guestbook"), self.path("guestbook"))
        first = self._first_commit("guestbook", "A guestbook with photos")
        os.makedirs(self.path("sites"))
        self._write_manifests(first, "sandbox")
        doctor = self.run("doctor", "--manifests", self.path("fleet"), "--state",
                          self.state, check=False).stdout
        lack = re.search("^lacks sandbox.*", doctor, re.MULTILINE)
        if lack:
            self._write_manifests(first, "none")
        self._first_commit("fleet", "Dev, Test and Live of acme")
        return lack.group(0) if lack else None

    def _write_manifests(self, first, isolation):
        files = fleet.manifests(self.path("sites"), self.user, isolation, self.path("guestbook"),
                                first, self.addresses, self.previews)
        for name, text in files.items():
            os.makedirs(os.path.dirname(self.path("fleet", name)), exist_ok=True)
            with open(self.path("fleet", name), "w", encoding="utf-8") as file:
                file.write(text)

    def _first_commit(self, name, message):
        directory = self.path(name)
        git(directory, "init", "-q", "-b", "main")
        git(directory, "config", "user.name", "Site Team")
        git(directory, "config", "user.email", "site@acme.example")
        git(directory, "config", "commit.gpgsign", "false")
        return self.commit(name, message)

    def commit(self, name, message):
        git(self.path(name), "add", "-A")
        git(self.path(name), "commit", "-q", "-m", message)
        return git(self.path(name), "rev-parse", "HEAD")

    def commit_hearts(self):
        shutil.copytree(os.path.join(HERE, "hearts"), self.path("guestbook"), dirs_exist_ok=True)
        return self.commit("guestbook", "Hearts for entries")

    def launch(self):
        """What a person edits to go live, as a commit."""
        file = self.path("fleet", "acme", "site.yaml")
        with open(file, encoding="utf-8") as before:
            text = before.read().replace("launched: false", "launched: true")
        with open(file, "w", encoding="utf-8") as after:
            after.write(text)
        return self.commit("fleet", "Launch acme")

    # Processes.

    def start(self, arguments, log, user=None, **variables):
        with open(self.path(log), "ab") as out:
            who = {"user": user, "group": user, "extra_groups": []} if user else {}
            process = subprocess.Popen(
                arguments, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd="/",
                start_new_session=True, env={**os.environ, **variables}, **who)
        self.processes.append(process)
        return process

    def start_servers(self):
        # Below root's home nobody else may read.
        router = shutil.copy(os.path.join(HERE, "router.php"), self.path("router.php"))
        for name in ENVIRONMENTS:
            for link, address in (("current", self.addresses[name]), ("next", self.previews[name])):
                self.start(
                    ["php", "-d", "display_errors=stderr", "-d", "upload_max_filesize=8M",
                     "-S", address.removeprefix("http://"), router],
                    "php.log", self.user, DEMO_PLACE=self.path("sites", "acme", name),
                    DEMO_LINK=link, TMPDIR="/tmp")

    def start_controller(self):
        with open(self.path("tidegate.yaml"), "w", encoding="utf-8") as file:
            file.write("apiVersion: tidegate/v1\nkind: Configuration\n"
                       f"sources: [{{name: fleet, url: {self.path('fleet')}, interval: 1s}}]\n"
                       f"state: {self.state}\nresync: 1m\n")
        os.makedirs(os.path.dirname(self.state))
        os.symlink(self.program, self.path("tidegate"))
        return self.start([self.program, "controller", "--config", self.path("tidegate.yaml")],
                          "controller.log")

    def check_alive(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Trouble(f"{process.args[0]} ended with {process.returncode}\n"
                              f"the web servers' last words:\n{self.tail('php.log', 3)}")

    def tail(self, log, lines=15):
        try:
            with open(self.path(log), encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:]).rstrip()
        except OSError:
            return "(nothing)"

    def end(self, keep=False):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if keep:
            return
        shutil.rmtree(self.dir)
        if self.made_user:
            subprocess.run(["userdel", DEMO_USER], capture_output=True, check=False)

    # The program.

    def run(self, *arguments, check=True):
        done = subprocess.run([self.program, *arguments], text=True, capture_output=True,
                              timeout=120, check=False)
        if check and done.returncode != 0:
            raise Trouble(f"tidegate {' '.join(arguments)}: exit code {done.returncode}\n"
                          f"{done.stdout}{done.stderr}".rstrip())
        return done

    def status(self):
        """The site as `tidegate status -o json` tells it; None before there is anything to tell."""
        done = self.run("status", "acme", "--state", self.state, "-o", "json",
                        check=False)
        return json.loads(done.stdout)["sites"][0] if done.returncode == 0 else None

    def subject(self, commit):
        done = subprocess.run(["git", "-C", self.path("guestbook"), "log", "-1", "--format=%s",
                               commit], text=True, capture_output=True, check=False)
        return done.stdout.strip()


def wait_until(what, condition, seconds=60, pause=0.2):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Trouble(f"not within {seconds} s: {what}")
        time.sleep(pause)
    sys.stdout.flush()
