"""A look at N converged environments, cold and in the loop; and from a commit to the queue."""
import os
import sys
import time

import measure
from watching import Opened
from world import Running, World, git, write

STAGES = ("test", "live")
NAIVE = r"""
while read -r site environment wanted; do
  have=$(grep -m1 '"commit"' "$2/$site/$environment/current/release.json" | cut -d'"' -f4)
  link=$(readlink "$2/$site/$environment/current")
  wants=$(git -C "$3" rev-parse --verify -q "$wanted^{commit}")
  [ "$have" = "$wants" ] && [ -d "$2/$site/$environment/$link" ] || echo "$site $environment"
done < "$1" > "$1.naive"
[ ! -s "$1.naive" ]
"""
TUNED = r"""
cd "$2"
find . -mindepth 3 -maxdepth 3 -name current -type l -printf '%P/release.json\0' \
  | xargs -0 grep -m1 -H '"commit"' | sed -E 's#^([^/]*)/([^/]*)/current/release.json: *"commit": "([0-9a-f]*)".*#\1 \2 \3#' | sort > "$1.seen"
cut -d' ' -f3 "$1" | sort -u | sed 's/$/^{commit}/' | git -C "$3" cat-file --batch-check > "$1.commits"
[ -z "$(grep missing "$1.commits")" ]
sort "$1" | comm -3 - "$1.seen" > "$1.tuned"
[ ! -s "$1.tuned" ]
"""


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def fleet(directory, environments):
    """That many converged environments, two of a site, one code repository for all."""
    world = World(directory)
    commit = world.code(3)
    world.driver()
    content = {"databases": [{"name": "main", "engine": "sqlite"}], "files": [{"name": "uploads", "path": "web/uploads"}]}
    names = [f"s{i:05}" for i in range(environments // 2)]
    for name in names:
        world.site(name, {"test": {"code": {"commit": commit}, "content": {"source": "live"}}, "live": {"code": {"commit": commit}}}, content)
    write(world.at("wanted"), "".join(f"{name} {stage} {commit}\n" for name in names for stage in STAGES))
    world.commit("fleet", "the fleet")
    took = world.apply()
    say(f"{environments} environments converged in {took['wall']:.0f} s ({took['cpu']:.0f} s of CPU)")
    return world, names, took


def cold(world, environments, repetitions, figures):
    group = f"look, cold, N={environments}"
    words = [world.at("wanted"), world.at("root"), world.at("code")]
    world.plan()
    candidates = {"tidegate plan": lambda _: world.plan(),
                  "shell, tuned (find, comm)": lambda _: measure.shell(world.dir, TUNED, *words)}
    if environments <= 1000:
        candidates["shell, naive (git rev-parse each)"] = lambda _: measure.shell(world.dir, NAIVE, *words)
    taken = measure.interleaved(repetitions, candidates)
    shell = figures.add(group, "shell, tuned: wall", "s", [t["wall"] for t in taken["shell, tuned (find, comm)"]])
    for name, times in taken.items():
        if "tuned" in name:
            continue
        figures.add(group, name + ": wall", "s", [t["wall"] for t in times], shell)
        figures.add(group, name + ": CPU", "s", [t["cpu"] for t in times])
        figures.add(group, name + ": peak memory", "MiB", [t["rss"] for t in times])
    figures.add(group, "tidegate plan: CPU for each environment", "ms", [t["cpu"] * 1000 / environments for t in taken["tidegate plan"]])


def idle_cpu(running, seconds):
    before, begin = measure.process_cpu(running.process.pid), time.monotonic()
    time.sleep(seconds)
    after, took = measure.process_cpu(running.process.pid), time.monotonic() - begin
    return (after[0] - before[0]) / took, (after[1] - before[1]) / took


def settled(running):
    """Waits until the first looks are over; with passes a day apart nothing comes after them."""
    running.line("manifests changed")
    for _ in range(200):
        if idle_cpu(running, 2)[0] < 0.05:
            return
    say("the controller did not settle within six minutes")


def warm(world, environments, seconds, figures):
    """A pass: every site looked at once, and looked over for drift once. Without passes: what polling costs."""
    group = f"look, loop, N={environments}"
    resync = max(10, seconds // 3, environments // 250)  # Shorter, and looking sites over falls behind.
    with Running(world, "24h", interval="15s") as running:
        settled(running)
        own, children = idle_cpu(running, seconds)
        figures.add(group, "no pass: own CPU in a minute", "ms", [own * 60000])
        figures.add(group, "no pass: CPU of transfers in a minute", "ms", [children * 60000])
    with Running(world, f"{resync}s", interval="15s") as running:
        running.line("manifests changed")
        time.sleep(2 * resync)
        passes = [(idle_cpu(running, resync)[0] - own) * resync for _ in range(3)]
        figures.add(group, f"own CPU for one pass (of {resync} s)", "s", passes)
        figures.add(group, "own CPU for each environment", "ms", [p * 1000 / environments for p in passes])
        figures.add(group, "memory", "MiB", [measure.memory(running.process.pid, "VmRSS")])
        figures.add(group, "peak memory", "MiB", [measure.memory(running.process.pid, "VmHWM")])


def queue(world, names, environments, repetitions, figures):
    """A commit changes one site; the poll that finds it began when its mirror's lock was opened."""
    group = f"commit → queue, N={environments}"
    found, started, commits = [], [], []
    with Running(world, "24h") as running:
        settled(running)
        [mirror] = [name for name in os.listdir(world.at("state", "manifests")) if name.endswith(".lock")]
        with Opened(world.at("state", "manifests", mirror)) as polls:
            for i in range(repetitions * 4):
                at = os.path.getsize(world.at("controller.log"))
                begin, committed = commit_to_one(world, names[(i * 7919 + 13) % len(names)], i)
                at, seen = running.line("manifests changed", at)
                at, begun = running.line("step started", at)
                running.line("Succeeded", at)
                poll = polls.last_before(seen)
                if poll < begin:
                    continue  # That poll was under way already; how far is not known.
                found.append((seen - poll) * 1000)
                started.append((begun - seen) * 1000)
                commits.append((committed - begin) * 1000)
                if len(found) == repetitions:
                    break
    figures.add(group, "poll begins → site in the queue", "ms", found)
    figures.add(group, "in the queue → step started", "ms", started)
    figures.add(group, "beside: git commit itself", "ms", commits)


def commit_to_one(world, site, round_):
    path = world.at("fleet", site[-2:], f"{site}.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    write(path, text.replace('"spec": {"code"', f'"spec": {{"variables": {{"ROUND{round_}": "{round_}"}}, "code"', 1)
          if '"variables"' not in text else text.replace('"variables": {', f'"variables": {{"ROUND{round_}": "{round_}", '))
    git(world.at("fleet"), "add", path)
    begin = time.monotonic()
    git(world.at("fleet"), "commit", "-q", "-m", f"round {round_}")
    return begin, time.monotonic()


def run(directory, options, figures):
    for environments in options.environments:
        place = os.path.join(directory, f"looks-{environments}")
        world, names, took = fleet(place, environments)
        figures.add(f"converge, N={environments}", "tidegate apply: wall", "s", [took["wall"]])
        figures.add(f"converge, N={environments}", "tidegate apply: CPU", "s", [took["cpu"]])
        cold(world, environments, options.repetitions, figures)
        warm(world, environments, options.seconds, figures)
        queue(world, names, environments, max(5, options.repetitions), figures)
