"""The demo, told in the order a newcomer sees it. `e2e/demo` prepares and starts it."""
import argparse
import os
import shlex
import signal
import subprocess
import sys
import time

import pages
import picture
from screen import Screen
from world import ENVIRONMENTS, Trouble, World, wait_until

ENTRIES = [
    ("Ada", "ada@mail.example", "What a view. The tide was out, the sun was too.", True),
    ("Grace", "grace@mail.example", "Found a gate that lets the sea out and keeps it out.", False),
    ("Edsger", "edsger@mail.example", "Simplicity, and salt on the windows.", False),
]
LATE = ("Barbara", "barbara@mail.example", "Came late, stayed long.", False)


def interrupted(*_):
    raise KeyboardInterrupt


class Show:
    def __init__(self, world, once):
        self.world, self.once = world, once
        self.screen = Screen(world)
        self.checks = 0

    def say(self, text=""):
        self.screen.say(text)

    def watch_until(self, what, condition, seconds=60):
        """Keeps the table moving until the condition holds."""
        def step():
            self.world.check_alive()
            self.screen.show()
            return condition()
        wait_until(what, step, seconds)
        self.screen.show()
        self.breathe()

    def breathe(self):
        """Time to read, for whoever watches."""
        if not self.once:
            time.sleep(2)

    def check(self, what, holds):
        if not holds:
            raise Trouble(f"this should hold, and does not: {what}")
        self.checks += 1
        self.say(f"   {self.screen.paint('32', '✓')} {what}")

    def title(self, name):
        return pages.title(self.world.addresses[name])

    def converged(self):
        site = self.world.status()
        return site is not None and len(site["environments"]) == len(ENVIRONMENTS) and all(
            e["conditions"][0]["status"] == "True" for e in site["environments"])

    def runs(self, name, commit):
        site = self.world.status()
        return any(e["name"] == name and e["observed"]["commit"] == commit
                   for e in site["environments"])

    # The story.

    def begin(self):
        world = self.world
        self.screen.head("a demo world")
        self.say(f"   {world.dir}")
        world.choose_user()
        lack = world.make_repositories()
        if lack:
            self.say(f"   without sandboxes (isolation: none), for this machine {lack}")
        self.say("   guestbook/  the site's code    fleet/  the manifests    "
                 "sites/  what Tidegate makes of them")
        if world.user:
            self.say(f"   run by root, so pages and commands run as the user {world.user}")
        world.start_servers()
        self.screen.head("the controller starts: Dev, Test and Live are created")
        self.screen.command(f"tidegate controller --config {world.path('tidegate.yaml')}")
        world.start_controller()
        self.watch_until("Dev, Test and Live converge", self.converged)

    def content_comes_down(self):
        world, live = self.world, self.world.addresses["live"]
        self.screen.head("visitors sign the guestbook on Live, one with a photo")
        for name, mail, text, with_photo in ENTRIES:
            pages.sign(live, name, mail, text, picture.png() if with_photo else None)
        self.screen.show()
        self.breathe()
        self.screen.head("Live is launched, Dev asks for its content: two commits in fleet/")
        world.launch()
        self.screen.command("git commit -m 'Launch acme'      # launched: true in acme/site.yaml")
        self.tidegate("sync", "acme/dev")
        self.watch_until("Dev has Live's entries", lambda: "4 entries" in self.title("dev")
                         and self.converged())

    def code_rises(self):
        self.screen.head("code is pushed: Dev follows the branch main")
        commit = self.world.commit_hearts()
        self.screen.command("git commit -m 'Hearts for entries'      # in guestbook/")
        self.watch_until("Dev runs the new commit", lambda: self.runs("dev", commit)
                         and "with hearts" in self.title("dev") and self.converged())

    def tidegate(self, *words):
        """Runs a command that writes a commit into fleet/, and tells it as it is typed."""
        words = [*words, "--manifests", self.world.path("fleet")]
        self.screen.command(shlex.join(["tidegate", *words]))
        done = self.world.run(*words)
        for line in done.stdout.splitlines():
            if line[:1] in "+-" and line[:3] not in ("+++", "---"):
                self.say("     " + self.screen.paint("32" if line[0] == "+" else "31", line))

    # The three things to try.

    def things_to_try(self):
        world, fleet = self.world, shlex.quote(self.world.path("fleet"))
        program = shlex.quote(world.path("tidegate"))
        self.screen.head("have a look")
        for name in ENVIRONMENTS:
            self.say(f"   {name:5} {world.addresses[name]}/")
        self.screen.head("three things to try in another terminal")
        self.say("   1. promote: what Dev has proven goes to Test, with fresh content from Live, "
                 "in one switch")
        self.say(f"        {program} promote acme dev test --manifests {fleet}")
        self.say("   2. sync: sign the guestbook on Live, then bring that down to Test")
        self.say(f"        {program} sync acme/test --manifests {fleet}")
        self.say("   3. roll back: revert the commit that promoted")
        self.say(f"        git -C {fleet} revert --no-edit ':/^Promote'")
        self.say("   And to ask it:")
        self.say(f"        {program} status --state {shlex.quote(world.state)}")
        self.say(f"        {program} explain acme/test --manifests {fleet}")

    def try_them(self):
        world, test = self.world, self.world.addresses["test"]
        reader = pages.Reader(test)

        self.screen.head("1. promote: code rises to Test, content comes down to it, one switch")
        before = world.subject(world_commit(world, "test"))
        self.tidegate("promote", "acme", "dev", "test")
        self.watch_until("Test has both", lambda: self.converged()
                         and self.title("test") == self.title("dev"))
        self.check("Test runs what Dev has proven", "with hearts" in self.title("test"))
        self.check("Test has Live's entries", "4 entries" in self.title("test")
                   and b"copied from live at" in pages.get(test)[1])
        pictures = pages.photos(test)
        self.check("Test shows Live's photo", len(pictures) == 1
                   and pages.get(test, pictures[0]) == (200, picture.png()))
        self.check("no mail address came along", b"3 mail addresses masked" in pages.get(test)[1])

        self.screen.head("2. sync: a new entry on Live, and Test asks for Live's content again")
        pages.sign(world.addresses["live"], *LATE[:3])
        self.tidegate("sync", "acme/test")
        self.watch_until("the entry is on Test", lambda: "5 entries" in self.title("test")
                         and self.converged())
        self.check("the new entry is on Test", b"Came late, stayed long." in pages.get(test)[1])

        self.screen.head("3. roll back: the promotion's commit is reverted")
        self.screen.command("git revert --no-edit ':/^Promote'      # in fleet/")
        subprocess.run(["git", "-C", world.path("fleet"), "revert", "--no-edit", ":/^Promote"],
                       check=True, capture_output=True)
        self.watch_until("Test is back", lambda: "with hearts" not in self.title("test")
                         and self.converged())
        self.check(f"Test runs \"{before}\" again",
                   before == world.subject(world_commit(world, "test"))
                   and self.title("test").startswith("Guestbook:"))
        self.check("its content stayed", "5 entries" in self.title("test"))

        self.say()
        reader.end()
        for wrong in reader.wrong[:3]:
            self.say(f"   {wrong}")
        self.check(f"Test's front page was asked for {reader.answers} times meanwhile, and was "
                   "whole each time", reader.answers > 0 and not reader.wrong)
        self.check("Live was left alone", self.title("live") == "Guestbook: 5 entries, 1 photo")
        done = world.run("plan", "--manifests", world.path("fleet"), check=False)
        self.check("tidegate plan: nothing is left to do", done.returncode == 0)

    def run(self):
        self.begin()
        self.content_comes_down()
        self.code_rises()
        self.things_to_try()
        if self.once:
            self.try_them()
            self.screen.head("what was done: tidegate history acme")
            history = self.world.run("history", "acme", "--state", self.world.state)
            for line in history.stdout.splitlines():
                self.say("   " + line)
            return
        self.screen.head("it goes on; Ctrl-C ends it and removes everything")
        while True:
            self.world.check_alive()
            self.screen.show()
            time.sleep(0.3)


def world_commit(world, name):
    return next(e["observed"]["commit"] for e in world.status()["environments"]
                if e["name"] == name)


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--once", action="store_true")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, interrupted)
    started = time.monotonic()
    world, code, keep = World(os.environ["TIDEGATE"]), 1, False
    show = Show(world, once)
    try:
        show.run()
        code = 0
    except KeyboardInterrupt:
        code = 130 if once else 0
    except (Trouble, OSError, subprocess.SubprocessError) as error:
        keep = True
        show.say(f"\ndemo: {error}\nthe controller's last words ({world.path('controller.log')}):\n"
                 + world.tail("controller.log"))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        show.say("\nending the controller and the web servers")
        world.end(keep)
    if keep:
        show.say(f"left to look at: {world.dir}")
    elif code == 0:
        show.say(f"removed {world.dir}" + (f"; {show.checks} checks held, "
                 f"{time.monotonic() - started:.0f} s" if once else ""))
    sys.exit(code)


main()
