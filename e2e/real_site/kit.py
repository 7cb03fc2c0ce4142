"""The real site: WordPress on MariaDB behind nginx and PHP-FPM, with the program beside it."""
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
E2E = os.path.dirname(HERE)
PROGRAM = os.environ.get("TIDEGATE", os.path.join(os.path.dirname(E2E), "build/release/tidegate"))
STAGES = ("dev", "test", "live")
IS_ROOT = os.geteuid() == 0
USER = "www-data" if IS_ROOT else pwd.getpwuid(os.geteuid()).pw_name
IDENTITY = ["-c", "user.name=Site Team", "-c", "user.email=site@example.org", "-c", "commit.gpgsign=false"]


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


class Failed(Exception):
    pass


class RealSite:
    """Everything the run works with; a context that leaves no process behind."""

    def __init__(self, stages=STAGES):
        self.stages = stages
        self.dir = tempfile.mkdtemp(prefix="tgw-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.observers, self.controller = {}, None
        self.environments, self.site = {}, {}
        self.source = self.at("fleet")

    def at(self, *names):
        return os.path.join(self.dir, *names)

    def place(self, environment, *names):
        return self.at("root", "acme", environment, *names)

    def __enter__(self):
        self.services("start")
        with open(self.at("ports.json"), encoding="utf-8") as file:
            self.ports = json.load(file)
        for name in ("root", "state", "fleet"):
            os.makedirs(self.at(name))
        os.makedirs(self.at("secrets", "sites", "acme"), exist_ok=True)
        with open(self.at("secrets", "sites", "acme", "post-token"), "w", encoding="utf-8") as file:
            file.write("token-" + os.urandom(8).hex())
        self.first = self.code()
        return self

    def __exit__(self, kind, error, trace):
        for name in list(self.observers):
            self.end_observer(name)
        self.stop_controller(signal.SIGKILL)
        self.services("stop", check=False)
        if kind is None and not os.environ.get("KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            say(f"kept: {self.dir}")

    # ---- the machine around it ----

    def run(self, *arguments, check=True, **more):
        done = subprocess.run(arguments, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
        if check and done.returncode != 0:
            raise Failed(f"{arguments} gave {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def services(self, verb, check=True):
        return self.run(os.path.join(E2E, "wordpress", "services"), verb, self.dir, check=check)

    def code(self, *change):
        """Makes the code repository, or commits a change to its main; gives the commit."""
        return self.run(os.path.join(E2E, "wordpress", "make_code_repository"), self.at("git", "acme.git"), *change).stdout.split()[-1]

    def web_server(self):
        """Configured by what the program prints, and by nothing else."""
        for environment in self.stages:
            temporary = self.at("tmp", f"acme-{environment}")
            os.makedirs(temporary, mode=0o700, exist_ok=True)
            if IS_ROOT:
                shutil.chown(temporary, USER, pwd.getpwnam(USER).pw_gid)
        common = ["webserver", "acme", "--manifests", self.at("fleet"), "--sockets", self.at("run"), "--temporaries", self.at("tmp")]
        for kind, folder in (("nginx", "nginx.d"), ("php-fpm", "fpm.d")):
            text = self.run(PROGRAM, *common, "--for", kind).stdout
            with open(self.at(folder, "acme.conf"), "w", encoding="utf-8") as file:
                file.write(text)
        self.services("reload")

    # ---- manifests ----

    def declare(self):
        address = "http://127.0.0.1:{}".format
        for stage in self.stages:
            self.environments[stage] = {
                "code": {"commit": self.first}, "content": {"source": "keep"}, "url": address(self.ports[stage]),
                "previewUrl": address(self.ports[stage + "-preview"]),
                "variables": {"SITE_URL": address(self.ports[stage])}, "secrets": {"POST_TOKEN": "post-token"},
                "verify": {"http": [{"path": "/", "status": 200}], "retryFor": "5s"}}
        if "dev" in self.stages:
            self.environments["dev"]["code"] = {"branch": "main"}
        self.site = {
            "driver": "host", "repository": {"url": address(self.ports["git"]) + "/acme.git"}, "stages": list(self.stages),
            "launched": False,
            "application": {"type": "custom", "docroot": "web", "commands": {
                "install": ["php bin/install.php"], "afterCopy": ["php bin/after_copy.php"],
                "updatePending": ["php bin/update_pending.php"], "update": ["php bin/update.php"],
                "clearCache": ["php bin/clear_cache.php"]}},
            "content": {"databases": [{"name": "main", "engine": "mariadb"}],
                        "files": [{"name": "uploads", "path": "web/wp-content/uploads"}]}}
        self.git("init", "-q", "-b", "main")
        self.commit("The fleet")

    def git(self, *arguments):
        return self.run("git", "-C", self.at("fleet"), *IDENTITY, *arguments,
                        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}).stdout.strip()

    def commit(self, message):
        def document(kind, name, spec, **metadata):
            return json.dumps({"apiVersion": "tidegate/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}, indent=1)
        driver = {"host": {"root": self.at("root"), "runAs": USER,
                           "mariadb": {"socket": self.at("mariadb", "mysqld.sock"), "user": "tidegate", "password": {"secret": "mariadb"}}}}
        documents = [document("Driver", "host", driver), document("Site", "acme", self.site)]
        documents += [document("Environment", name, spec, site="acme") for name, spec in self.environments.items()]
        with open(self.at("fleet", "acme.yaml"), "w", encoding="utf-8") as file:
            file.write("\n---\n".join(documents) + "\n")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        say(f"commit: {message}")
        return self.git("rev-parse", "HEAD")

    # ---- the program ----

    def start_controller(self):
        configuration = {"apiVersion": "tidegate/v1", "kind": "Configuration",
                         "sources": [{"name": "fleet", "url": self.source, "interval": "1s"}],
                         "secretsDirectory": self.at("secrets"), "state": self.at("state", "state.db"), "resync": "5s"}
        with open(self.at("tidegate.yaml"), "w", encoding="utf-8") as file:
            json.dump(configuration, file)
        with open(self.at("controller.log"), "a", encoding="utf-8") as log:
            self.controller = subprocess.Popen([PROGRAM, "controller", "--config", self.at("tidegate.yaml")], stdout=log, stderr=log)

    def stop_controller(self, how=signal.SIGTERM):
        if self.controller and self.controller.poll() is None:
            self.controller.send_signal(how)
            self.controller.wait(120)
        self.controller = None

    def ask(self, *arguments):
        return self.run(PROGRAM, *arguments, "--config", self.at("tidegate.yaml"), check=False)

    def status(self):
        done = self.ask("status", "acme", "-o", "json")
        if done.returncode != 0:
            return {}
        return {e["name"]: e for e in json.loads(done.stdout)["sites"][0]["environments"]}

    def record(self, environment):
        with open(self.place(environment, "current", "release.json"), encoding="utf-8") as file:
            return json.load(file)

    def runs(self, environment, commit):
        return self.record(environment)["commit"] == commit and self.at_rest(environment)

    def at_rest(self, environment):
        return not os.path.exists(self.place(environment, ".tidegate", "journal.json"))

    def converged(self):
        return self.controller is None or self.ask("wait", "acme", "--timeout", "1s").returncode == 0

    def until(self, what, condition, seconds=180):
        end = time.monotonic() + seconds
        last = None
        while time.monotonic() < end:
            try:
                if condition():
                    say(f"  {what}")
                    return
            except (OSError, KeyError, IndexError, json.JSONDecodeError) as error:
                last = error
            if self.controller and self.controller.poll() is not None:
                raise Failed(f"the controller ended with {self.controller.returncode} before: {what}")
            time.sleep(0.1)
        status = self.ask("status", "acme").stdout
        logs = "".join(self.ask("logs", f"acme/{e}").stdout[-1500:] for e in self.stages)
        raise Failed(f"not within {seconds} s: {what} ({last})\n{status}\n{logs}")

    def held(self, environment):
        return [hold["reason"] for hold in self.status()[environment]["holds"]]

    def get(self, environment, path="/"):
        done = self.run("curl", "-s", "-i", "--max-time", "20", f"http://127.0.0.1:{self.ports[environment]}{path}", check=False)
        return done.stdout

    # ---- who watches ----

    def start_observers(self):
        observe = os.path.join(E2E, "observe")
        token = self.at("secrets", "sites", "acme", "post-token")
        commands = {
            "reader": [sys.executable, os.path.join(observe, "reader.py"), "--ports", self.at("ports.json"), "--markers",
                       self.at("git", "acme.git", "tidegate-markers.json"), "--output", self.at("reader.json"),
                       "--probe-rate", os.environ.get("PROBE_RATE", "100"), "--page-rate", os.environ.get("PAGE_RATE", "4")],
            "writer": [sys.executable, os.path.join(observe, "writer.py"), "run", "--url", f"http://127.0.0.1:{self.ports['live']}",
                       "--token-file", token, "--acknowledged", self.at("acknowledged"), "--every", ".25"]}
        for name, command in commands.items():
            with open(self.at(name + ".log"), "a", encoding="utf-8") as log:
                self.observers[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def end_observer(self, name):
        process = self.observers.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def verify_posts(self):
        return self.run(sys.executable, os.path.join(E2E, "observe", "writer.py"), "verify", "--url",
                        f"http://127.0.0.1:{self.ports['live']}", "--token-file", self.at("secrets", "sites", "acme", "post-token"),
                        "--acknowledged", self.at("acknowledged"), check=False)
