"""Who may touch what: a site whose commands and pages try to reach what is not theirs."""
import base64
import glob
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

from harness import Site

ROOT = os.geteuid() == 0
USERS = {name: f"tidetest-{name}" for name in ("dev", "test", "live", "shop")}
SECRET = 'pa ss/w"örd+=&4711'
ENVIRONMENT_MARK = "the-controllers-own-environment"

# Each line of targets.txt is "NAME how PATH"; a name that comes to "reached" when it should not is a hole.
ATTACK = r"""
while read -r name how path; do
  case $how in
    read) head -c 64 "$path" > /dev/null 2>&1 && [ -s "$path" ] ;;
    list) [ -n "$(ls -A "$path" 2> /dev/null)" ] ;;
    write) { echo owned >> "$path"; } 2> /dev/null ;;
    make) { echo owned > "$path/owned"; } 2> /dev/null ;;
    database) php -r '(new PDO("sqlite:" . $argv[1]))->exec("create table if not exists owned(x)");' "$path" 2> /dev/null ;;
    process) cat /proc/[0-9]*/environ 2> /dev/null | tr '\0' '\n' | grep -q "$path" ;;
  esac && echo "ATTACK $name reached" || echo "ATTACK $name refused"
done < targets.txt
"""
PAGE = r"""<?php
function sh($command) { return function_exists('shell_exec') ? (string)@shell_exec("{ $command; } 2>/dev/null") : ''; }
function attempt($how, $path) {
  $at = escapeshellarg($path);
  switch ($how) {
    case 'read': return (string)@file_get_contents($path) !== '' || sh("head -c 9 $at") !== '';
    case 'list': return count(@scandir($path) ?: []) > 2 || sh("ls -A $at") !== '';
    case 'write': return @file_put_contents($path, 'owned', FILE_APPEND) !== false || sh("echo owned >> $at && echo y") !== '';
    case 'make': return @file_put_contents("$path/owned", 'owned') !== false || sh("echo owned > $at/owned && echo y") !== '';
    case 'database': try { (new PDO("sqlite:$path"))->exec('create table if not exists owned(x)'); return true; } catch (Exception $e) { return false; }
    case 'process': return sh('cat /proc/[0-9]*/environ | tr "\\0" "\\n" | grep ' . $at) !== '';
  }
}
foreach (file(dirname(__DIR__) . '/targets.txt') as $line) {
  [$name, $how, $path] = explode(' ', trim($line), 3);
  echo "ATTACK $name ", attempt($how, $path) ? 'reached' : 'refused', "\n";
}
"""


def setUpModule():
    if ROOT:
        for user in USERS.values():
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", user], check=True)


def tearDownModule():
    if ROOT:
        for user in USERS.values():
            subprocess.run(["userdel", user], check=True)


class Neighbours(Site):
    """acme with its three stages, and bolt with one, both served by one installation."""

    def setUp(self):
        # What lies in /opt is visible in a sandbox unless it is hidden, what lies in /tmp never is.
        tempfile.tempdir = "/opt" if ROOT else None
        self.addCleanup(setattr, tempfile, "tempdir", None)
        super().setUp()
        if ROOT:
            self.driver["runAs"] = "tidetest-{environment}"
        self.application = self.site["application"]
        self.application["writable"] = ["cache"]
        for place in ("sites/acme", "sites/bolt"):
            os.makedirs(self.path("secrets", place))
        for name, text in {"platform": "platform-key", "sites/bolt/key": "bolts-key", "sites/acme/key": SECRET}.items():
            with open(self.path("secrets", name), "w", encoding="utf-8") as out:
                out.write(text)

    def write_manifests(self, directory=None):
        super().write_manifests(directory)
        def document(kind, name, spec, **metadata):
            return json.dumps({"apiVersion": "tidegate/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec})
        bolt = {**self.site, "stages": ["shop"], "application": {"type": "custom", "docroot": "web"}}
        shop = {"code": {"branch": "main"}, "secrets": {"KEY": "key"}}
        with open(os.path.join(directory or self.path("manifests"), "bolt.yaml"), "w", encoding="utf-8") as out:
            out.write(document("Site", "bolt", bolt) + "\n---\n" + document("Environment", "shop", shop, site="bolt") + "\n")

    def run_program(self, *arguments, timeout=120):
        os.environ["MARK"] = ENVIRONMENT_MARK
        return super().run_program(*arguments, timeout=timeout)

    def targets(self):
        """Name, how, path, and whether it is theirs."""
        root, own = self.path("root"), self.place("dev")
        shop, test = os.path.join(root, "bolt/shop"), self.place("test")
        def database(environment):
            with open(os.path.join(environment, "current/environment"), encoding="utf-8") as file:
                return re.search(r"^DATABASE_URL=sqlite:///(.*)$", file.read(), re.M).group(1)
        code = os.path.realpath(os.path.join(own, "current/code"))
        out = [("own-content", "make", f"{code}/web/uploads", True), ("own-cache", "make", f"{code}/cache", True),
               ("own-database", "database", database(own), True), ("own-page", "read", f"{code}/web/index.php", True),
               ("own-code", "write", f"{code}/web/index.php", False), ("own-code-new", "make", f"{code}/web", False),
               ("own-record", "read", f"{own}/.tidegate/state.json", False), ("own-lock", "write", f"{own}/.tidegate/lock", False),
               ("own-variables", "write", os.path.realpath(f"{own}/current/environment"), False),
               ("environment", "make", own, False), ("releases", "make", f"{own}/releases", False), ("content", "make", f"{own}/content", False)]
        for name, place in (("neighbour", shop), ("sister", test)):
            release = os.path.realpath(f"{place}/current")
            out += [(f"{name}-variables", "read", f"{release}/environment", False), (f"{name}-code", "read", f"{release}/code/web/index.php", False),
                    (f"{name}-uploads", "list", f"{release}/code/web/uploads", False), (f"{name}-upload", "read", f"{release}/code/web/uploads/private.txt", False),
                    (f"{name}-uploads-new", "make", os.path.realpath(f"{release}/code/web/uploads"), False),
                    (f"{name}-database", "read", database(place), False), (f"{name}-database-write", "database", database(place), False)]
        out += [("root", "make", root, False), ("own-builds", "make", f"{root}/.tidegate/builds/acme", False), ("mirrors", "list", f"{root}/.tidegate/mirrors", False),
                *[(f"{name}-build", "read", path, False) for name in ("bolt", "acme")
                  for path in glob.glob(f"{root}/.tidegate/builds/{name}/*/web/index.php")[:1]],
                ("state", "read", self.path("state.db"), False), ("state-write", "write", self.path("state.db"), False),
                ("secrets", "list", self.path("secrets"), False), ("platform-secret", "read", self.path("secrets/platform"), False),
                ("neighbour-secret", "read", self.path("secrets/sites/bolt/key"), False), ("own-secret-file", "read", self.path("secrets/sites/acme/key"), False),
                ("shadow", "read", "/etc/shadow", False), ("controller", "process", ENVIRONMENT_MARK, False)]
        return out

    def arm(self):
        """Commits the attack; its paths are those of the release that will run it, made known by a first run."""
        self.commit("armed", **{"attack.sh": ATTACK, "web/attack.php": PAGE, "targets.txt": "", "cache/.keep": ""})
        self.environments["test"]["code"] = self.environments["live"]["code"] = {"branch": "main"}
        self.apply(0)
        for place in (self.place("test"), self.path("root/bolt/shop")):
            with open(os.path.join(place, "current/code/web/uploads/private.txt"), "w", encoding="utf-8") as out:
                out.write("private")
            connection = sqlite3.connect(self.database_of(place))
            connection.execute("create table private(x)")
            connection.close()

    def database_of(self, place):
        with open(os.path.join(place, "current/environment"), encoding="utf-8") as file:
            return re.search(r"^DATABASE_URL=sqlite:///(.*)$", file.read(), re.M).group(1)

    def aim(self, following):
        """Writes targets.txt for the release now running, or (`following`) the one that replaces it."""
        targets = self.targets()
        now = os.path.realpath(self.place("dev", "current"))
        path = os.path.join(now, "code/targets.txt")
        text = "".join(f"{name} {how} {where}\n" for name, how, where, _ in targets)
        if following:
            text = text.replace(now + "/", os.path.join(os.path.dirname(now), str(int(os.path.basename(now)) + 1)) + "/")
            self.commit("aimed", **{"targets.txt": text})
        else:
            os.remove(path)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
            os.chmod(path, 0o644)
        return targets

    def judge(self, targets, output):
        found = dict(re.findall(r"ATTACK (\S+) (reached|refused)", output))
        expected = {name: "reached" if theirs else "refused" for name, _, _, theirs in targets}
        self.assertEqual(found, expected, output)
        self.assertEqual(sqlite3.connect(self.database_of(self.path("root/bolt/shop"))).execute("select name from sqlite_master").fetchall(), [("private",)])


class Commands(Neighbours):
    def test_a_command_of_a_step_reaches_its_own_release_alone(self):
        self.arm()
        self.environments["dev"]["verify"] = {"commands": ["sh attack.sh"]}
        targets = self.aim(following=True)
        self.apply(0)
        log = self.log_of("dev")
        self.assertEqual(log.count("ATTACK own-page reached"), 2)  # Before the switch and after it.
        self.judge(targets, log)

    def test_afterCopy_reaches_the_copy_alone_and_not_the_source(self):
        self.arm()
        self.application["commands"]["afterCopy"] = ["sh attack.sh"]
        live = os.path.realpath(self.place("live", "current"))
        source = [("source-code", "read", f"{live}/code/web/index.php", False), ("source-database", "database", self.database_of(self.place("live")), False),
                  ("source-uploads", "make", os.path.realpath(f"{live}/code/web/uploads"), False)]
        self.commit("aimed", **{"targets.txt": "".join(f"{n} {h} {w}\n" for n, h, w, _ in source)})
        self.environments["dev"]["content"]["generation"] = 2
        self.apply(0)
        found = dict(re.findall(r"ATTACK (\S+) (reached|refused)", self.log_of("dev")))
        self.assertEqual(found, {name: "refused" for name, _, _, _ in source})

    def test_exec_reaches_the_running_release_alone(self):
        self.arm()
        targets = self.aim(following=True)
        self.apply(0)
        done = self.run_program("exec", "acme/dev", *self.given(), "--", "sh", "attack.sh")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.judge(targets, done.stdout)

    def test_a_build_reaches_its_own_tree_alone(self):
        self.arm()
        self.application["commands"]["build"] = ["sh attack.sh"]
        targets = [t for t in self.aim(following=True) if not t[0].startswith("own-") and t[0] not in ("content", "releases", "environment")]
        self.apply(0)
        found = dict(re.findall(r"ATTACK (\S+) (reached|refused)", self.log_of("dev")))
        for name, _, _, _ in targets:
            self.assertEqual(found[name], "refused", name)

    def log_of(self, environment):
        latest = next(o for o in self.history() if o["environment"] == environment)
        return self.run_program("logs", f"acme/{environment}", "--operation", latest["id"], *self.state()).stdout


@unittest.skipUnless(ROOT, "pages of two users need root, to become them")
class Pages(Neighbours):
    def serve(self, keep):
        """PHP's own server as the environment's user with those settings of its printed pool that are kept."""
        done = self.run_program("webserver", "acme/dev", "--for", "php-fpm", *self.given())
        pool = dict(re.findall(r"^(\S+) = (.*)$", done.stdout, re.M))
        settings = {re.fullmatch(r"php_admin_value\[(.*)\]", key).group(1): value for key, value in pool.items() if key.startswith("php_admin_value")}
        temporary = settings["sys_temp_dir"]
        self.assertIn("open_basedir", settings)
        self.assertEqual(pool["user"], USERS["dev"])
        user = pwd.getpwnam(pool["user"])
        there = os.path.exists(temporary)
        os.makedirs(temporary, exist_ok=True)
        os.chmod(temporary, 0o700)
        os.chown(temporary, user.pw_uid, user.pw_gid)
        if not there:
            self.addCleanup(shutil.rmtree, temporary, True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = [word for name, value in settings.items() if keep(name) for word in ("-d", f"{name}={value}")]
        docroot = os.path.realpath(self.place("dev", "current/code/web"))
        server = subprocess.Popen(["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups", "--no-new-privs",
                                   "php", *options, "-S", f"127.0.0.1:{port}", "-t", docroot],
                                  env={"PATH": "/usr/bin:/bin", "TMPDIR": pool["env[TMPDIR]"]}, cwd="/",
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.until("php listens", lambda: socket.create_connection(("127.0.0.1", port)).close() is None, 10)
        return port

    def test_a_page_reaches_its_own_release_alone(self):
        self.attack(lambda name: True)

    def test_a_page_that_starts_programs_meets_the_next_wall(self):
        """Without what PHP itself refuses, the environment's user is what keeps it in."""
        self.attack(lambda name: name not in ("open_basedir", "disable_functions"))

    def attack(self, keep):
        os.chmod(self.path("secrets"), 0o700)
        self.arm()
        targets = self.aim(following=True)
        self.apply(0)
        controller = subprocess.Popen(["sleep", "60"], env={"MARK": ENVIRONMENT_MARK})
        self.addCleanup(controller.wait)
        self.addCleanup(controller.kill)
        port = self.serve(keep)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/attack.php", timeout=30) as answer:
            self.judge(targets, answer.read().decode())


class Bombs(Site):
    """Commands that take all they can get: a failed step, a message that says why, a controller that goes on."""

    def explode(self, command, timeout="6s"):
        if ROOT:
            self.driver["runAs"] = USERS["dev"]
        controller = self.start_controller()
        self.until("dev is there", lambda: self.page("dev") and self.status("dev")["conditions"][0]["reason"] == "Converged")
        before = self.running("dev")
        self.environments["dev"].update(verify={"commands": [command]}, deploy={"timeout": timeout})
        self.environments["dev"]["variables"] = {"ROUND": "2"}
        self.commit_manifests("bomb")
        self.until("the step failed", lambda: self.status("dev")["holds"], 90)
        self.assertIsNone(controller.poll())
        self.assertEqual(self.running("dev"), before)
        self.assertEqual([h["reason"] for h in self.status("dev")["holds"]], ["Quarantined"])
        return self.status("dev")["holds"][0]["message"]

    def test_a_flood_of_output(self):
        message = self.explode("yes flood")
        self.assertIn('verify: "yes flood"', message)
        self.assertIn("deploy.timeout is 6s", message)
        self.assertLess(os.path.getsize(self.path("state.db")), 40 << 20)

    def test_one_line_without_an_end(self):
        message = self.explode("sh -c 'head -c 400000000 /dev/zero | tr \"\\0\" x; exit 7'", "60s")
        self.assertIn("exit code 7", message)
        self.assertLess(len(message), 2000)

    def test_a_fork_bomb(self):
        message = self.explode("bash -c 'b() { b | b & }; b; sleep 60'")
        self.assertIn("verify", message)
        self.assertEqual(self.of_user(), 0)

    def test_more_memory_than_there_is_for_it(self):
        message = self.explode("php -d memory_limit=-1 -r '$a = []; while (true) $a[] = str_repeat(\"x\", 1 << 26);'", "60s")
        self.assertRegex(message, "(?i)exit code|signal|memory")

    def test_a_daemon_left_behind_ends_with_its_command(self):
        self.explode("sh -c '(setsid sleep 4711 &) ; exit 1'")
        self.assertEqual(subprocess.run(["pgrep", "-f", "^sleep 4711"], stdout=subprocess.DEVNULL, check=False).returncode, 1)

    def of_user(self):
        if not ROOT:
            return 0
        return len(subprocess.run(["pgrep", "-u", USERS["dev"]], text=True, capture_output=True, check=False).stdout.split())


class Secrets(Site):
    def test_a_secret_is_masked_in_every_spelling_and_everywhere(self):
        os.makedirs(self.path("secrets/sites/acme"))
        with open(self.path("secrets/sites/acme/key"), "w", encoding="utf-8") as out:
            out.write(SECRET + "\n")
        self.apply(0)
        self.environments["dev"]["secrets"] = {"KEY": "key"}
        raw = SECRET.encode()
        self.commit("leaks", **{"leak.php": """<?php $s = getenv('KEY');
foreach ([$s, rawurlencode($s), urlencode($s), base64_encode($s), base64_encode("user:$s"), json_encode($s), json_encode($s, JSON_UNESCAPED_UNICODE)] as $t)
  { echo "leak $t end\\n"; fwrite(STDERR, "leak $t end\\n"); }
echo "last words: $s\\n"; exit(1);"""})
        self.environments["dev"]["verify"] = {"commands": ["php leak.php"]}
        done = self.apply(1)
        log = self.logs()
        self.assertGreaterEqual(len(re.findall(r"leak \S*\*\*\*\S* end", log)), 14, log)
        told = done.stdout + done.stderr + log + json.dumps(self.history(), ensure_ascii=False) + json.dumps(self.status("dev"), ensure_ascii=False)
        with open(self.path("state.db"), "rb") as store:
            told = told.encode() + store.read()
        for name in ("state.db-wal",):
            if os.path.exists(self.path(name)):
                with open(self.path(name), "rb") as store:
                    told += store.read()
        with open(self.place("dev", ".tidegate/state.json"), "rb") as record:
            told += record.read()
        for spelling in (raw, urllib.parse.quote(SECRET).encode(), urllib.parse.quote(SECRET, safe="").encode(), urllib.parse.quote_plus(SECRET).encode(),
                         base64.b64encode(raw), json.dumps(SECRET)[1:-1].encode(), json.dumps(SECRET, ensure_ascii=False)[1:-1].encode(),
                         json.dumps(SECRET)[1:-1].replace("/", "\\/").encode()):
            self.assertNotIn(spelling, told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
