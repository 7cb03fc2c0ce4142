"""What must hold for every page a visitor gets. Pure: answers in, problems out."""
import json
import re

HEAD = re.compile(r"<meta name=\"tidegate\" content='([^']*)'>")
END = re.compile(r"<!-- tidegate-end (.*?) -->")
NEWEST = re.compile(r'data-newest-post="(\d+)"')
UPLOAD = re.compile(r'class="upload" href="([^"]+)"')
UPLOAD_END = b"the end of the upload\n"
ERROR_TEXTS = ("Error establishing a database connection", "doesn't exist", "doesn&#8217;t exist",
               "doesn&#039;t exist", "Unknown column", "Fatal error", "Warning:",
               "There has been a critical error", "WordPress database error")


class Rules:
    """What is known of the site: its environments' addresses, and which marker each commit has."""

    def __init__(self, addresses, markers_path=None):
        self.addresses = addresses
        self.markers_path = markers_path
        self.markers = {}
        self.commit_of_release = {}

    def marker_of(self, commit):
        """Commits come while we read, so an unknown one is looked up again."""
        if commit not in self.markers:
            with open(self.markers_path, encoding="utf-8") as file:
                self.markers = json.load(file)
        return self.markers.get(commit)

    def of_state(self, environment, state):
        """A release's word about itself: code, commit and database must belong together."""
        problems = []
        if state["environment"] != environment:
            problems.append(f"it is environment '{state['environment']}' that answers")
        if state["marker"] != state["compiled_marker"]:
            problems.append(f"code is '{state['marker']}', run is '{state['compiled_marker']}'")
        if self.markers_path:
            marker = self.marker_of(state["commit"])
            if marker != state["marker"]:
                problems.append(f"commit {state['commit']} is '{marker}', "
                                f"its code says '{state['marker']}'")
        if state["option_schema"] != state["row_schema"]:
            problems.append(f"the database is between schema {state['option_schema']} and "
                            f"{state['row_schema']}")
        if state["row_schema"] < state["schema"]:
            problems.append(f"code of schema {state['schema']} on a database of schema "
                            f"{state['row_schema']}")
        release = (environment, state["release"])
        before = self.commit_of_release.setdefault(release, state["commit"])
        if before != state["commit"]:
            problems.append(f"release {state['release']} was commit {before}, "
                            f"and is {state['commit']}")
        return problems

    def of_page(self, environment, text):
        """Problems of a page of the theme, and its state (None when it has none)."""
        problems = [f"the page says '{words}'" for words in ERROR_TEXTS if words in text]
        for other, address in self.addresses.items():
            if other != environment and address in text:
                problems.append(f"the page names {other}'s address {address}")
        head, end = HEAD.search(text), END.search(text)
        if head is None or end is None:
            return problems + ["the page has no " + ("start" if head is None else "end")], None
        if head[1] != end[1]:
            problems.append(f"two releases in one page: it starts as {head[1]}, ends as {end[1]}")
        state = json.loads(head[1])
        return problems + self.of_state(environment, state), state

    def of_probe(self, environment, text):
        try:
            state = json.loads(text)
        except ValueError:
            return ["the probe is no JSON"], None
        problems = self.of_state(environment, state)
        if state["upload"] != state["upload_expected"]:
            problems.append(f"the upload is {state['upload']}, "
                            f"its row says {state['upload_expected']}")
        return problems, state


class Maintenance:
    """Intervals in which an environment answered 503. One ends when a request that began after its
    last 503 gets something else. Times are the caller's, in seconds."""

    def __init__(self):
        self.closed = []
        self.open = None

    def refused(self, began, ended):
        if self.open is None:
            self.open = {"from": began, "to": ended, "answers": 0}
        self.open["from"] = min(self.open["from"], began)
        self.open["to"] = max(self.open["to"], ended)
        self.open["answers"] += 1

    def served(self, began):
        if self.open is not None and began > self.open["to"]:
            self.closed.append(self.open)
            self.open = None

    def intervals(self):
        return self.closed + ([self.open] if self.open else [])
