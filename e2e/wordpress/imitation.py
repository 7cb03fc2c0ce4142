"""The file layout of a host-driver machine, made by hand and by the slowest means: what the kit is
tried against without the program. Git, dumps and plain copies; one caller at a time."""
import os
import pwd
import re
import secrets
import shutil
import subprocess

WEB_USER = "www-data"
PATH = "/usr/local/bin:/usr/bin:/bin"


class Imitation:
    def __init__(self, directory, ports, repository, site="acme"):
        self.directory, self.ports, self.repository, self.site = directory, ports, repository, site
        self.root = os.path.join(directory, "root")
        self.token = secrets.token_hex(8)
        self.number = 0
        self.user = WEB_USER if os.geteuid() == 0 else None
        self.socket = os.path.join(directory, "mariadb", "mysqld.sock")
        with open(os.path.join(directory, "secrets", "mariadb"), encoding="utf-8") as file:
            self.password = file.read().strip()

    def place(self, environment, *names):
        return os.path.join(self.root, self.site, environment, *names)

    def address(self, environment):
        return f"http://127.0.0.1:{self.ports[environment]}"

    def own(self, path):
        if self.user:
            shutil.chown(path, self.user, pwd.getpwnam(self.user).pw_gid)

    def sql(self, program, *arguments, **streams):
        return subprocess.run([program, "--no-defaults", f"--socket={self.socket}",
                               "--user=tidegate", *arguments], check=True,
                              env={"PATH": PATH, "MYSQL_PWD": self.password}, **streams)

    def database(self, environment):
        """The running release's database name."""
        with open(self.place(environment, "current", "environment"), encoding="utf-8") as file:
            return re.search(r"^DATABASE_URL=.*/(\w+)\?", file.read(), re.MULTILINE)[1]

    def query(self, environment, statement):
        self.sql("mariadb", self.database(environment), f"--execute={statement}")

    def copy_database(self, source, target):
        dump = subprocess.Popen(["mariadb-dump", "--no-defaults", f"--socket={self.socket}",
                                 "--user=tidegate", "--single-transaction", source],
                                stdout=subprocess.PIPE,
                                env={"PATH": PATH, "MYSQL_PWD": self.password})
        self.sql("mariadb", target, stdin=dump.stdout)
        dump.stdout.close()
        if dump.wait() != 0:
            raise RuntimeError(f"mariadb-dump of '{source}' failed")

    def build(self, commit):
        """A commit's tree, checked out once; releases are hard links to it."""
        tree = os.path.join(self.root, "builds", commit)
        if not os.path.isdir(tree):
            os.makedirs(tree)
            archive = subprocess.Popen(["git", f"--git-dir={self.repository}", "archive", commit],
                                       stdout=subprocess.PIPE)
            subprocess.run(["tar", "-x", "-C", tree, "--no-same-owner"], stdin=archive.stdout,
                           check=True)
            archive.stdout.close()
            archive.wait()
        return tree

    def prepare(self, environment, commit, content="keep"):
        """A release beside the running one; `content` is keep, empty, or an environment."""
        self.number += 1
        release = self.place(environment, "releases", str(self.number))
        code = os.path.join(release, "code")
        os.makedirs(release)
        subprocess.run(["cp", "-al", self.build(commit), code], check=True)
        database = f"tg_{environment}_{self.number}"
        uploads = self.place(environment, "content", f"uploads-{self.number}")
        if content == "keep":
            database = self.database(environment)
            uploads = os.path.realpath(
                self.place(environment, "current/code/web/wp-content/uploads"))
        else:
            self.sql("mariadb", f"--execute=CREATE DATABASE {database}")
            os.makedirs(os.path.dirname(uploads), exist_ok=True)
        if content == "empty":
            os.mkdir(uploads)
            self.own(uploads)
        elif content != "keep":
            # The database first: whatever file it names is there already when the files are copied.
            self.copy_database(self.database(content), database)
            subprocess.run(["cp", "-a", os.path.realpath(
                self.place(content, "current/code/web/wp-content/uploads")), uploads], check=True)
        os.symlink(uploads, os.path.join(code, "web/wp-content/uploads"))
        self.write_environment(release, environment, commit, database)
        return release

    def write_environment(self, release, environment, commit, database):
        url = f"mysql://tidegate:{self.password}@localhost/{database}?socket={self.socket}"
        values = {"DATABASE_URL": url, "MAIN_DATABASE_URL": url, "TIDEGATE_SITE": self.site,
                  "TIDEGATE_ENVIRONMENT": environment, "TIDEGATE_COMMIT": commit,
                  "TIDEGATE_RELEASE": os.path.basename(release),
                  "SITE_URL": self.address(environment), "POST_TOKEN": self.token}
        path = os.path.join(release, "environment")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
        os.chmod(path, 0o640)
        self.own(path)

    def run(self, release, *command):
        """A command of the site's: exactly the release's variables, in the code tree."""
        with open(os.path.join(release, "environment"), encoding="utf-8") as file:
            values = dict(line.split("=", 1) for line in file.read().splitlines())
        return subprocess.run(command, cwd=os.path.join(release, "code"), check=False, text=True,
                              env={**values, "PATH": PATH, "HOME": "/tmp", "LANG": "C.UTF-8"},
                              capture_output=True, user=self.user)

    def link(self, environment, name, release):
        """One atomic rename."""
        path = self.place(environment, name)
        os.symlink(os.path.relpath(release, self.place(environment)), path + ".new")
        os.rename(path + ".new", path)

    def switch(self, environment, release):
        self.link(environment, "current", release)

    def maintenance(self, environment, stands):
        path = self.place(environment, "maintenance")
        if stands:
            open(path, "w", encoding="utf-8").close()
        else:
            os.remove(path)
