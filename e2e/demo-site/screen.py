"""The terminal: a table that moves while there is something to see, plain lines when piped."""
import os
import sys

import pages

COLOURS = {"dev": "34", "test": "33", "live": "32"}


class Screen:
    def __init__(self, world):
        self.world = world
        self.terminal = sys.stdout.isatty()
        self.coloured = self.terminal and "NO_COLOR" not in os.environ
        self.drawn = 0         # Lines of the table that stands at the end of the screen.
        self.last = None

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.coloured else text

    def say(self, text=""):
        self.drawn, self.last = 0, None
        print(text, flush=True)

    def head(self, text):
        self.say("\n" + self.paint("1", f"== {text}"))

    def command(self, text):
        self.say("   " + self.paint("36", "$ " + text))

    def show(self):
        """Draws the table anew when it changed: in its place on a terminal, else below."""
        lines = self._table()
        if lines == self.last:
            return
        if self.drawn:
            sys.stdout.write(f"\033[{self.drawn}A\033[J" if self.terminal else "\n")
        whole = "\n".join(lines)
        # A line that wrapped would take two: what does not fit is cut.
        print(f"\033[?7l{whole}\033[?7h" if self.terminal else whole, flush=True)
        self.drawn, self.last = len(lines), lines

    def _table(self):
        site = self.world.status()
        found = {e["name"]: e for e in site["environments"]} if site else {}
        rows = [("", "", "code", "content", "state", "page")]
        arrows = {"live": "▲ │", "test": "│ │", "dev": "│ ▼"}
        for name in ("live", "test", "dev"):
            rows.append((arrows[name], name, *self._cells(found.get(name)),
                         pages.title(self.world.addresses[name])))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = []
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths)]
            if row[1] in COLOURS:
                cells[1] = self.paint("1;" + COLOURS[row[1]], cells[1])
                cells[4] = self.paint("32" if row[4] == "Converged" else "33", cells[4])
            else:
                cells = [self.paint("2", cell) for cell in cells]
            lines.append("   " + "  ".join(cells).rstrip())
        return lines + ["   " + self.paint("2", "code rises ▲ ▼ content comes down")]

    def _cells(self, environment):
        """Code, content and state of one environment."""
        if environment is None or environment["observed"]["commit"] is None:
            state = environment["operation"]["phase"] if environment and environment["operation"] \
                else "not there yet"
            return "–", "–", state
        observed = environment["observed"]
        stamp = observed["content"]["databases"]
        content = f"from {stamp['source']}, generation {stamp['generation']}"
        if stamp["source"] in ("keep", "empty"):
            content = "its own"
        elif stamp["takenAt"]:
            content += f", {stamp['takenAt'][11:19]}"
        state = environment["conditions"][0]["reason"]
        if environment["operation"]:
            state = "/".join(environment["operation"]["actions"]) + ": " \
                + environment["operation"]["phase"]
        commit = observed["commit"]
        return f"{commit[:7]} {self.world.subject(commit)}", content, state
