"""What stands beside the program while it is killed: a gate at which a site's commands wait, a writer
on Live, a reader of what visitors see, and the look at what is left in an environment."""
import json
import os
import select
import signal
import socketserver
import sqlite3
import threading
import time


class Gate:
    """Commands connect, say who they are, and exit with the code they are told. One that is stopped at
    the gate gets no answer until it opens; the end of its connection is the end of its process."""

    def __init__(self, journal):
        gate = self
        self.journal, self.lock = journal, threading.Condition()
        self.stops, self.codes, self.seen, self.waiting, self.ended = set(), {}, [], set(), set()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                name, environment = self.rfile.readline().decode().split()
                gate.answer(self, gate.named(name, environment), environment)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def named(self, name, environment):
        """verify runs before and after the switch, maintenanceOff also on the way back: the phase tells."""
        phase = (self.journal(environment) or {}).get("phase", name) if environment != "-" else name
        return phase if phase in ("verifyLive", "undo") else name

    def command(self, name):
        return (f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{self.server.server_address[1]} && "
                f"echo \"$0 ${{TIDEGATE_ENVIRONMENT:--}}\" >&3 && read -r code <&3 && exit $code' {name}")

    def answer(self, handler, name, environment):
        key = (name, environment)
        with self.lock:
            self.seen.append(key)
            stopped = key in self.stops
            if stopped:
                self.waiting.add(key)
                self.lock.notify_all()
        while stopped:
            if select.select([handler.connection], [], [], 0.02)[0]:  # Its process is gone.
                with self.lock:
                    self.ended.add(key)
                    self.lock.notify_all()
                return
            with self.lock:
                stopped = key in self.stops
        handler.wfile.write(f"{self.codes.get(key, self.codes.get(name, 0))}\n".encode())

    def stop_at(self, *keys):
        with self.lock:
            self.stops, self.waiting, self.ended = set(keys), set(), set()

    def open(self):
        with self.lock:
            self.stops = set()

    def wait(self, what, keys, seconds=60):
        with self.lock:
            return self.lock.wait_for(lambda: set(keys) <= getattr(self, what), seconds)


class Writer(threading.Thread):
    """Adds rows to Live as a page would: it obeys the maintenance file and remembers what was acknowledged."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.acknowledged, self.ending = place, [], threading.Event()

    def run(self):
        number = 0
        while not self.ending.wait(0.01):
            if os.path.exists(self.place("live", "maintenance")):
                continue
            number += 1
            try:
                with open(self.place("live", "current", "environment"), encoding="utf-8") as file:
                    variables = dict(line.rstrip("\n").split("=", 1) for line in file)
                path = variables["DATABASE_URL"].removeprefix("sqlite:///")
                connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=2)
                try:
                    connection.execute("insert into rows values (?)", (number,))
                    connection.commit()
                    self.acknowledged.append(number)
                finally:
                    connection.close()
            except (OSError, sqlite3.Error):
                continue  # Not acknowledged: it may be there or not.

    def end(self):
        self.ending.set()
        self.join()


class Reader(threading.Thread):
    """Looks at one environment as visitors do and notes whatever is neither one release nor the next.
    `check(page, connection)` says what is wrong with one that could be read."""

    def __init__(self, place, environment, check):
        super().__init__(daemon=True)
        self.place, self.environment, self.check = place, environment, check
        self.reads, self.closed, self.wrong, self.ending = 0, 0, [], threading.Event()

    def run(self):
        while not self.ending.wait(0.005):
            marker = self.place(self.environment, "maintenance")
            if os.path.exists(marker):
                self.closed += 1
                continue
            try:
                release = os.path.realpath(self.place(self.environment, "current"))
                with open(os.path.join(release, "code", "web", "index.php"), encoding="utf-8") as file:
                    page = file.read()
                with open(os.path.join(release, "environment"), encoding="utf-8") as file:
                    path = dict(line.rstrip("\n").split("=", 1) for line in file)["DATABASE_URL"].removeprefix("sqlite:///")
                connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
                try:
                    wrong = self.check(page, connection)
                finally:
                    connection.close()
            except (OSError, sqlite3.Error, KeyError) as problem:
                wrong = repr(problem)
            if wrong and os.path.exists(marker):
                wrong = None  # It closed under the reader's hands.
            self.reads += 1
            if wrong:
                self.wrong.append(wrong)

    def end(self):
        self.ending.set()
        self.join()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def wait_for_phase(journal, phases, seconds=30):
    """Polls a journal as fast as can be until it tells one of the phases; the phase, or None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = read_json(journal)
        if found and found["phase"] in phases:
            return found["phase"]
    return None


def leftovers(place):
    """What lies in an environment that its record does not name. `place(*names)` gives its paths."""
    record = read_json(place(".tidegate", "state.json"))
    out = [name for name in ("next", "maintenance", ".tidegate/journal.json") if os.path.lexists(place(name))]
    if record is None:
        for folder in ("releases", "content"):
            out += [f"{folder}/{name}" for name in (os.listdir(place(folder)) if os.path.isdir(place(folder)) else [])]
        return out
    retired = {each["id"] for each in record["retired"]}
    known = set(record["releases"]) | retired
    out += [f"releases/{name}" for name in os.listdir(place("releases")) if name not in known]
    sets = set(retired)
    for release in record["releases"].values():
        sets |= {content["id"] for content in release["content"].values()}
    for folder in os.listdir(place("content")):
        if folder.split("-")[-1] not in sets:
            out.append(f"content/{folder}")
        for name in os.listdir(place("content", folder)):
            inside = os.listdir(place("content", folder, name))
            if name.endswith(".saved") or "database.sqlite.copying" in inside:
                out.append(f"content/{folder}/{name}")
    return out
