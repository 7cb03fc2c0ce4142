"""What the platform team's rules cost a look, and how fast a freeze and its end reach a whole fleet."""
import os
import shutil
import sqlite3
import time

import measure
from looks import say, settled
from world import Running, World, document, git, write

SITES = 10000
POLICIES = 100
AT_ONCE = 4


def rule(number):
    """Rules of several kinds, none of which keeps anything back."""
    return [{"windows": {"allow": [{"cron": "0 * * * *", "duration": "1h", "timeZone": "Europe/Berlin"}]}},
            {"limits": {"environments": 3, "wipesPerHour": 10}},
            {"content": {"sources": ["keep", "empty", "live"]}},
            {"forbid": {"verbs": ["wipe"], "message": "ask the platform team"}},
            {"require": {"field": "/spec/code"}}][number % 5]


def policy(number):
    select = [{}, {"sites": {"names": [f"s{number % 10}*"]}}, {"environments": {"stages": ["live"]}},
              {"environments": {"authority": True}}][number % 4]
    rules = [{"name": f"r{i}", **rule(number + i)} for i in range(3)]
    return document("Policy", f"p{number:03}", {"select": select, "rules": rules})


def fleet(directory):
    world = World(directory)
    commit = world.code(3)
    world.driver()
    for i in range(SITES):
        world.site(f"s{i:05}", {"live": {"code": {"commit": commit}}})
    world.commit("fleet", "the fleet")
    took = world.apply()
    say(f"{SITES} sites converged in {took['wall']:.0f} s")
    return world


def cold(world, repetitions, figures, group, expect):
    """`plan` with and without the policies; both end with the same exit code."""
    governed = world.at("governed")
    shutil.rmtree(governed, ignore_errors=True)
    shutil.copytree(world.at("fleet"), governed)
    write(os.path.join(governed, "policies.yaml"), "\n---\n".join(policy(i) for i in range(POLICIES)) + "\n")
    git(governed, "add", "-A")
    git(governed, "commit", "-q", "-m", "policies")

    def plan(manifests):
        arguments = world.given("plan")
        arguments[arguments.index("--manifests") + 1] = manifests
        return measure.once(world.dir, *arguments, expect=expect)
    plan(governed)
    taken = measure.interleaved(repetitions, {"without": lambda _: plan(world.at("fleet")), f"{POLICIES} policies": lambda _: plan(governed)})
    for what in ("wall", "cpu"):
        before = figures.add(group, f"tidegate plan: {what}", "s", [t[what] for t in taken["without"]])
        figures.add(group, f"with {POLICIES} policies: {what}", "s", [t[what] for t in taken[f"{POLICIES} policies"]], before)


def want_new_code(world):
    """On every site, by one manifest commit."""
    commit = world.change_code(1, 1)
    for i in range(SITES):
        world.site(f"s{i:05}", {"live": {"code": {"commit": commit}}})
    world.commit("fleet", "new code everywhere")


def held(world):
    """Sites whose status holds Frozen, by the store."""
    with sqlite3.connect(f"file:{world.at('state', 'state.db')}?mode=ro", uri=True) as store:
        [[count]] = store.execute("SELECT count(*) FROM statuses WHERE json LIKE '%\"Frozen\"%'").fetchall()
    return count


def wait_for(what, condition, patience=1800):
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > patience:
            raise measure.Failed(f"not within {patience} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - begin


def warm(world, figures):
    """New code for everybody while a freeze stands; then the freeze goes, and a limit holds."""
    group = f"freeze, {SITES} sites"
    limit = document("Policy", "calm", {"rules": [{"name": "few", "limits": {"operations": {"inFleet": AT_ONCE}}}]})
    freeze = document("Freeze", "stop", {"select": {}, "reason": "incident"})
    write(world.at("fleet", "calm.yaml"), limit + "\n")
    write(world.at("fleet", "freeze.yaml"), freeze + "\n")
    world.commit("fleet", "an incident")
    with Running(world, "24h") as running:
        settled(running)
        want_new_code(world)
        begin = time.monotonic()
        cpu = measure.process_cpu(running.process.pid)[0]
        wait_for("all are held", lambda: held(world) == SITES)
        figures.add(group, "commit for all → all held", "s", [time.monotonic() - begin])
        figures.add(group, "the same: own CPU", "s", [measure.process_cpu(running.process.pid)[0] - cpu])
        os.remove(world.at("fleet", "freeze.yaml"))
        at = os.path.getsize(world.at("controller.log"))
        world.commit("fleet", "it is over")
        begin = time.monotonic()
        wait_for("nobody is frozen", lambda: held(world) == 0)
        figures.add(group, "its end → nobody is held by it", "s", [time.monotonic() - begin])
        time.sleep(20)
        figures.add(group, f"then at once, of {AT_ONCE} allowed: most", "operations", [most_at_once(world, at)])


def most_at_once(world, after):
    running = most = 0
    with open(world.at("controller.log"), encoding="utf-8") as log:
        log.seek(after)
        for line in log:
            running += ' msg="step started"' in line
            running -= " type=Succeeded" in line or " type=Failed" in line
            most = max(most, running)
    if most > AT_ONCE:
        raise measure.Failed(f"{most} operations ran at once; {AT_ONCE} are allowed")
    return most


def run(directory, options, figures):
    world = fleet(os.path.join(directory, "governed"))
    cold(world, options.repetitions, figures, f"look, cold, {SITES} converged sites", 0)
    warm(world, figures)
    os.remove(world.at("fleet", "calm.yaml"))
    want_new_code(world)
    cold(world, options.repetitions, figures, f"look, cold, a step on each of {SITES} sites", 2)
