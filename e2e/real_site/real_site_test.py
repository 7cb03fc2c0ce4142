#!/usr/bin/env python3
"""WordPress on MariaDB through its whole life, by commits alone, while a reader and a writer watch.

TIDEGATE_REPETITIONS=20 repeats it; KEEP=1 keeps the directory of a run that passed, too."""
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import STAGES, Failed, RealSite, say  # noqa: E402


def expect(what, truth, detail=""):
    if not truth:
        raise Failed(f"expected: {what} {detail}")
    say(f"  {what}")


def build_and_launch(site):
    say("a new site: installed on each environment, then launched")
    site.declare()
    site.web_server()
    site.start_controller()
    for stage in STAGES:
        site.until(f"{stage} runs WordPress", lambda s=stage: site.runs(s, site.first))
    site.site["launched"] = True
    site.commit("Live is live")
    site.until("the launch is recorded", lambda: json.load(open(site.place("live", ".tidegate", "state.json"), encoding="utf-8"))["launched"])
    site.start_observers()


def promote_everything(site):
    say("code rises: Dev by a push, Test with content from Live, Live by a commit")
    second = site.code("release-2")
    site.until("dev runs what was pushed", lambda: site.runs("dev", second))
    site.environments["test"].update(code={"commit": second}, content={"source": "live", "generation": 1})
    site.commit("Promote to test, with content from live")
    site.until("test runs it", lambda: site.runs("test", second))
    expect("test has live's content", site.record("test")["content"]["databases"]["source"] == "live")
    page = site.get("test")
    # A port alone is a number that a page may hold: WordPress's script for emoji has 129777.
    of_live = re.search(rf"(:|%3A){site.ports['live']}\b", page, re.I)
    expect("its addresses are test's own", not of_live and "200 OK" in page)
    site.environments["live"]["code"] = {"commit": second}
    site.commit("Promote to live")
    site.until("live runs it", lambda: site.runs("live", second))
    return second


def bring_content_down(site):
    say("content ebbs: Dev is synced, then wiped and installed anew")
    site.environments["dev"]["content"] = {"source": "live", "generation": 1}
    site.commit("Sync dev")
    site.until("dev has live's content", lambda: site.record("dev")["content"]["databases"]["source"] == "live" and site.at_rest("dev"))
    site.environments["dev"]["content"] = {"source": "empty", "generation": 2}
    site.commit("Wipe dev")
    site.until("dev is empty and installed", lambda: site.record("dev")["content"]["databases"]["source"] == "empty" and site.at_rest("dev"))
    expect("dev answers", "200 OK" in site.get("dev"))


def update_live(site):
    say("an update of the databases in use: proven below, then on Live")
    third = site.code("schema-2")
    site.until("dev has run it", lambda: site.runs("dev", third))
    site.environments["test"]["code"] = {"commit": third}
    site.commit("Update test")
    site.until("test has run it", lambda: site.runs("test", third))
    site.environments["live"]["code"] = {"commit": third}
    revision = site.commit("Update live")
    site.until("live has run it", lambda: site.runs("live", third))
    return third, revision


def fail_on_live(site, good, change, phase):
    """A commit that Dev and Test prove and that breaks on Live alone."""
    say(f"a commit that breaks Live: {change}")
    bad = site.code(change, "--only-in", "live")
    site.until("dev has proven it", lambda: site.runs("dev", bad))
    site.environments["test"]["code"] = {"commit": bad}
    site.commit("To test")
    site.until("test has proven it", lambda: site.runs("test", bad))
    site.environments["live"]["code"] = {"commit": bad}
    site.commit("To live")
    site.until("live is held", lambda: "Quarantined" in site.held("live"))
    expect("live runs what it ran", site.record("live")["commit"] == good)
    expect("live answers", "200 OK" in site.get("live"))
    message = site.status()["live"]["conditions"][0]["message"]
    expect(f"the reason names {phase}", phase in message, message)
    def failures():
        return len([o for o in json.loads(site.ask("history", "acme/live", "-o", "json").stdout)["operations"] if o["result"] == "failed"])
    before = failures()
    site.commit("An unrelated commit")
    site.until("another look", lambda: site.ask("status", "acme").returncode == 0)
    expect("it is not tried again", failures() == before)
    site.environments["live"]["code"] = {"commit": good}
    site.environments["test"]["code"] = {"commit": good}
    site.commit("Revert")
    site.code("revert", "--to", good)
    site.until("all is converged", site.converged)


def roll_back(site, second, third):
    say("the manifest commit is reverted")
    site.environments["live"]["code"] = {"commit": second}
    site.commit("Roll live back")
    site.until("live runs the release before", lambda: site.runs("live", second))
    site.environments["live"]["code"] = {"commit": third}
    site.commit("And forth")
    site.until("live runs the newer one again", lambda: site.runs("live", third))


def refused(site):
    say("what is refused")
    before = site.record("live")
    live, stages = dict(site.environments["live"]), list(site.site["stages"])
    site.site["launched"] = False
    site.environments["live"]["content"] = {"source": "empty", "generation": 9}
    site.commit("Undo the launch and wipe Live")
    site.until("held LaunchedOnce and AuthorityProtected", lambda: {"LaunchedOnce", "AuthorityProtected"} <= set(site.held("live")))
    site.site["launched"], site.environments["live"] = True, live
    site.site["stages"] = ["live", "test", "dev"]
    site.environments["dev"]["content"] = {"source": "keep"}
    site.commit("Reorder the stages")
    site.until("held LaunchedOnce", lambda: site.held("live") == ["LaunchedOnce"])
    site.site["stages"] = stages
    site.commit("Back in order")
    site.until("all is converged", site.converged)
    site.git("rm", "-q", "-r", ".")
    site.git("commit", "-q", "-m", "Empty the repository")
    site.until("an emptied repository is told", lambda: "nothing is changed" in open(site.at("controller.log"), encoding="utf-8").read())
    site.commit("Manifests again")
    site.until("all is converged", site.converged)
    expect("nothing was lost on live", site.record("live")["content"] == before["content"])


PHASES = {"promote": ["build", "content", "code", "verify", "switch", "verifyLive"],
          "sync": ["content", "afterCopy", "updatePending", "switch"], "wipe": ["content", "install", "verify"]}


ORDER = ["queued", "build", "content", "code", "afterCopy", "install", "updatePending", "maintenance", "update",
         "verify", "switch", "clearCache", "verifyLive"]


def journal_phase(site, environment):
    try:
        with open(site.place(environment, ".tidegate", "journal.json"), encoding="utf-8") as file:
            return json.load(file)["phase"]
    except (OSError, ValueError, KeyError):
        return None


def seen_in(site, environment, phase, what, change):
    """Asks for an operation until it is seen at or after a phase, which may last a millisecond; gives where it is."""
    for _ in range(10):
        change()
        revision = site.commit(f"{what}: to be killed in {phase}")
        end = time.monotonic() + 120
        while time.monotonic() < end:
            seen = journal_phase(site, environment)
            if seen in ORDER and ORDER.index(seen) >= ORDER.index(phase):
                return seen
            if seen is None and site.record(environment)["manifestRevision"] == revision:
                break  # It was over before it was seen.
        else:
            raise Failed(f"{environment} never came to {phase}")
        site.until(f"{what} was too fast to be killed in {phase}: once more", site.converged)
    raise Failed(f"{environment} was never seen in {phase}")


def kill_in(site, environment, phase, what, change):
    """Kills the controller in (or right after) a phase, and lets the next one take it up."""
    seen = seen_in(site, environment, phase, what, change)
    site.stop_controller(signal.SIGKILL)
    say(f"  killed in {seen}")
    site.start_controller()
    site.until(f"{what} killed in {phase}: converged again", lambda: site.at_rest(environment) and site.converged())


def kill_everywhere(site):
    say("the controller is killed in each phase")
    number = [10]
    for phase in PHASES["promote"]:
        def change():
            number[0] += 1
            commit = site.code("release-2", "--label", f"kill {number[0]}")
            site.environments["test"]["code"] = {"commit": commit}
        kill_in(site, "test", phase, "promote", change)
    for phase in PHASES["sync"]:
        def change():
            number[0] += 1
            site.environments["test"]["content"] = {"source": "live", "generation": number[0]}
        kill_in(site, "test", phase, "sync", change)
    for phase in PHASES["wipe"]:
        def change():
            number[0] += 1
            site.environments["dev"]["content"] = {"source": "empty", "generation": number[0]}
        kill_in(site, "dev", phase, "wipe", change)


def judge(site):
    verdicts = {name: site.end_observer(name) for name in ("writer", "reader")}
    with open(site.at("reader.json"), encoding="utf-8") as file:
        summary = json.load(file)
    print(json.dumps(summary, indent=1), flush=True)
    posts = site.verify_posts()
    print(posts.stdout + posts.stderr, flush=True)
    expect("the reader counted no failure", verdicts["reader"] == 0, open(site.at("reader.log"), encoding="utf-8").read()[-2000:])
    expect("no post was lost", posts.returncode == 0)


def unmounted_root(site):
    say("an unmounted root")
    os.rename(site.at("root"), site.at("root.away"))
    os.mkdir(site.at("root"))
    site.until("held EnvironmentGone", lambda: site.held("live") == ["EnvironmentGone"])
    expect("nothing was made below it", os.listdir(site.at("root")) == [])
    os.rmdir(site.at("root"))
    os.rename(site.at("root.away"), site.at("root"))
    site.until("all is converged", site.converged)


def run_once():
    with RealSite() as site:
        build_and_launch(site)
        second = promote_everything(site)
        bring_content_down(site)
        third, _ = update_live(site)
        fail_on_live(site, third, "broken-front-page", "verification")
        fail_on_live(site, third, "broken-update", "update")
        roll_back(site, second, third)
        refused(site)
        kill_everywhere(site)
        judge(site)
        unmounted_root(site)
        site.stop_controller()


if __name__ == "__main__":
    try:
        for repetition in range(int(os.environ.get("TIDEGATE_REPETITIONS", "1"))):
            say(f"repetition {repetition + 1}")
            run_once()
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
