"""Content of Live brought to Test, beside dump-and-load and each engine's own copy."""
import contextlib
import os
import pwd
import shutil
import sqlite3
import subprocess
import time

import measure
from world import World, write

ROOT = os.geteuid() == 0
ROWS = 200_000  # Of about 1 KB each.


class Synced:
    """A site whose Test takes Live's content again with each generation."""

    def __init__(self, world, engine):
        self.world, self.engine, self.generation = world, engine, 1
        self.commit = world.code(3)
        self.declare()
        world.apply()

    def declare(self):
        self.world.site("acme", {"test": {"code": {"commit": self.commit}, "content": {"source": "live", "generation": self.generation}},
                                 "live": {"code": {"commit": self.commit}}}, {"databases": [{"name": "main", "engine": self.engine}]})

    def sync(self, _):
        self.generation += 1
        self.declare()
        return self.world.apply()

    def database(self, environment):
        return self.world.variables("acme", environment)["DATABASE_URL"]


def tell(group, taken, nothing, load, figures):
    ours = taken.pop("tidegate apply")
    other = figures.add(group, load, "s", [t["wall"] for t in taken.pop(load)])
    figures.add(group, "tidegate apply: wall", "s", [t["wall"] for t in ours], other)
    figures.add(group, "tidegate apply: wall without a converged one's", "s", [t["wall"] - nothing for t in ours], other)
    figures.add(group, "tidegate apply: CPU", "s", [t["cpu"] for t in ours])
    for name, times in taken.items():
        figures.add(group, name, "s", [t["wall"] for t in times], other)


def sqlite(directory, options, figures):
    world = World(os.path.join(directory, "sqlite"))
    world.driver(sqlite={})
    site = Synced(world, "sqlite")
    live = site.database("live").removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(live)) as connection, connection:
        for table in range(4):
            connection.execute(f"create table posts{table} (id integer primary key, slug text unique, body text)")
            connection.executemany(f"insert into posts{table} values (?, ?, ?)",
                                   ((i, f"slug-{i}", os.urandom(470).hex()) for i in range(ROWS // 4)))
    size = os.path.getsize(live) / 1024 / 1024
    nothing = measure.statistics.median([world.apply()["wall"] for _ in range(3)])
    out = lambda name, round_: world.at(f"{name}-{round_}.db")
    taken = measure.interleaved(options.repetitions, {
        "tidegate apply": site.sync,
        "sqlite3 .dump | sqlite3": lambda r: measure.shell(world.dir, 'sqlite3 "$1" .dump | sqlite3 "$2"', live, out("dump", r)),
        "sqlite3 .backup": lambda r: measure.once(world.dir, "sqlite3", live, f".backup {out('backup', r)}"),
        "cp, then on disk": lambda r: measure.shell(world.dir, 'cp "$1" "$2"; sync "$2"', live, out("cp", r))})
    with contextlib.closing(sqlite3.connect(site.database("test").removeprefix("sqlite:///"))) as connection:
        if connection.execute("select count(*) from posts3").fetchone()[0] != ROWS // 4:
            raise measure.Failed("Test did not get Live's rows")
    tell(f"sync, SQLite, {size:.0f} MiB", taken, nothing, "sqlite3 .dump | sqlite3", figures)


class Server:
    """A MariaDB server of its own, on a socket below `directory`."""

    def __init__(self, directory):
        self.dir, self.socket = directory, os.path.join(directory, "mysqld.sock")

    def __enter__(self):
        os.makedirs(self.dir)
        user = pwd.getpwuid(os.geteuid()).pw_name
        if ROOT:
            shutil.chown(self.dir, "mysql", "mysql")
        data, more = os.path.join(self.dir, "data"), ["--user=mysql"] if ROOT else []
        path = {**os.environ, "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin", "TMPDIR": self.dir}
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
                        f"--auth-root-socket-user={user}", *more], check=True, env=path, stdout=subprocess.DEVNULL)
        with open(os.path.join(self.dir, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={self.socket}", f"--pid-file={self.dir}/pid", "--skip-networking",
                 "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M", "--performance-schema=OFF", *more],
                env=path, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while subprocess.run(["mariadb", "--no-defaults", f"--socket={self.socket}", "-e", "select 1"], check=False,
                             capture_output=True).returncode != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                raise measure.Failed(f"mariadbd did not start; its log is {self.dir}/log")
            time.sleep(0.1)
        self.run("CREATE USER tidegate@localhost IDENTIFIED BY 'bench'; GRANT ALL ON *.* TO tidegate@localhost WITH GRANT OPTION")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def run(self, statements, database=""):
        done = subprocess.run(["mariadb", "--no-defaults", f"--socket={self.socket}", "-BN", *([database] if database else [])],
                              input=statements, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def fill(self, database, tables, rows):
        for table in range(tables):
            self.run(f"""CREATE TABLE posts{table} (id INT PRIMARY KEY AUTO_INCREMENT, slug VARCHAR(40) UNIQUE, at INT, body TEXT, KEY (at))
                         ENGINE=InnoDB;
                         INSERT INTO posts{table} (slug, at, body)
                         SELECT CONCAT('slug-', seq), seq % 1000, CONCAT(SHA2(seq, 512), SHA2(seq + 1, 512), SHA2(seq + 2, 512), SHA2(seq + 3, 512),
                         SHA2(seq + 4, 512), SHA2(seq + 5, 512), SHA2(seq + 6, 512)) FROM seq_1_to_{rows};""", database)


def mariadb(directory, options, figures):
    with Server(os.path.join(directory, "mariadb-server")) as server:
        for what, tables, rows in (("4 tables", 4, ROWS // 4), ("100 tables", 100, ROWS // 1000)):
            mariadb_copies(directory, server, what, tables, rows, options, figures)


def mariadb_copies(directory, server, what, tables, rows, options, figures):
    world = World(os.path.join(directory, f"mariadb-{tables}"))
    write(world.at("secrets", "mariadb"), "bench\n")
    world.driver(mariadb={"socket": server.socket, "user": "tidegate", "password": {"secret": "mariadb"}, "prefix": f"tg{tables}"})
    site = Synced(world, "mariadb")
    name = lambda environment: site.database(environment).partition("?")[0].rpartition("/")[2]
    live = name("live")
    server.fill(live, tables, rows)
    server.run("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    size = float(server.run(f"SELECT SUM(data_length + index_length) / 1048576 FROM information_schema.tables WHERE table_schema = '{live}'"))
    nothing = measure.statistics.median([world.apply()["wall"] for _ in range(3)])
    script = r"""
      client="mariadb --no-defaults --socket=$1"; $client -e "CREATE DATABASE $3"
      { mariadb-dump --no-defaults --socket="$1" --single-transaction --routines --triggers "$2"; echo "COMMIT;"; } \
        | $client ${4:+--init-command="$4"} "$3"
    """
    # Without these checks a load commits as one and is as fast as it can be.
    bare = "SET autocommit=0, unique_checks=0, foreign_key_checks=0"
    taken = measure.interleaved(options.repetitions, {
        "tidegate apply": site.sync,
        "mariadb-dump | mariadb": lambda r: measure.shell(world.dir, script, server.socket, live, f"copy{tables}_{r}", ""),
        "mariadb-dump | mariadb, checks off": lambda r: measure.shell(world.dir, script, server.socket, live, f"bare{tables}_{r}", bare)})
    for copy in (name("test"), f"copy{tables}_0", f"bare{tables}_0"):
        if int(server.run(f"SELECT COUNT(*) FROM posts{tables - 1}", copy)) != rows:
            raise measure.Failed(f"{copy} did not get Live's rows")
    tell(f"sync, MariaDB, {what}, {size:.0f} MiB", taken, nothing, "mariadb-dump | mariadb", figures)
