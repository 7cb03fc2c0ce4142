"""A deploy of a tree of 10 000 files, first and with 50 files changed, beside what is cheapest by hand."""
import os
import subprocess

import measure
from world import World, git

FILES = 10_000


def beside(world, kind, commit, checkout):
    """What people would run; each into a fresh directory, nothing is removed before the end."""
    code, out = world.at("code"), world.at("beside")

    def fresh(name, round_):
        return os.path.join(out, f"{kind}-{name}-{round_}")

    return {
        "cp -a": lambda r: measure.once(world.dir, "cp", "-a", checkout, fresh("cp", r)),
        "cp -a, then on disk (sync -f)": lambda r: measure.shell(
            world.dir, 'cp -a "$1" "$2"; sync -f "$2"', checkout, fresh("sync", r)),
        "cp -al (hard links)": lambda r: measure.once(world.dir, "cp", "-al", checkout, fresh("links", r)),
        "git worktree add": lambda r: measure.once(
            world.dir, "git", "-C", code, "worktree", "add", "-q", "--detach", fresh("worktree", r), commit()),
        "git archive | tar": lambda r: measure.shell(
            world.dir, 'mkdir "$3"; git -C "$1" archive "$2" | tar -xC "$3"', code, commit(), fresh("tar", r)),
    }


def tell(group, taken, nothing, figures):
    copy = figures.add(group, "cp -a", "s", [t["wall"] for t in taken.pop("cp -a")])
    ours = taken.pop("tidegate apply")
    figures.add(group, "tidegate apply: wall", "s", [t["wall"] for t in ours], copy)
    figures.add(group, "tidegate apply: wall without a converged one's", "s", [t["wall"] - nothing for t in ours], copy)
    figures.add(group, "tidegate apply: CPU", "s", [t["cpu"] for t in ours])
    figures.add(group, "tidegate apply: peak memory", "MiB", [t["rss"] for t in ours])
    for name, times in taken.items():
        figures.add(group, name, "s", [t["wall"] for t in times], copy)


def run(directory, options, figures):
    world = World(os.path.join(directory, "deploy"))
    world.driver()
    world.code(FILES)
    tip = lambda: git(world.at("code"), "rev-parse", "HEAD")
    os.makedirs(world.at("beside"))
    checkout = world.at("beside", "checkout")
    git(world.at("code"), "worktree", "add", "-q", "--detach", checkout, tip())
    environments = {"live": {"code": {"branch": "main"}}}
    world.site("warm", environments)
    world.apply()  # The mirror is there, as it is in daily life.
    nothing = measure.statistics.median([world.apply()["wall"] for _ in range(3)])
    figures.add("deploy, 10 000 files", "tidegate apply, converged: wall", "s", [nothing])

    def first(round_):
        world.site(f"first{round_}", environments)
        return world.apply("--site", f"first{round_}")

    def change(round_):
        world.change_code(50, round_)
        return world.apply("--site", "warm")

    taken = measure.interleaved(options.repetitions, {"tidegate apply": first, **beside(world, "first", tip, checkout)})
    tell("deploy, 10 000 files, first", taken, nothing, figures)
    update = world.at("beside", "update")
    git(world.at("code"), "worktree", "add", "-q", "--detach", update, tip())
    taken = measure.interleaved(options.repetitions, {
        "tidegate apply": change, **beside(world, "change", tip, checkout),
        "git checkout in a work tree": lambda _: measure.once(world.dir, "git", "-C", update, "checkout", "-q", "--detach", tip())})
    tell("deploy, 50 of them changed", taken, nothing, figures)
    done = subprocess.run(["find", world.place("warm", "live", "current", "code"), "-type", "f"], check=True, capture_output=True, text=True)
    if done.stdout.count("\n") != FILES + 1:
        raise measure.Failed(f"{done.stdout.count(chr(10))} files were deployed, not {FILES + 1}")
