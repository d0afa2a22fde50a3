"""How the measurements of this folder are made.

Every pair of commands runs in turn (ours, theirs, ours, theirs, ...), so that a machine whose speed drifts drifts for
both. Printed are medians over whole processes: wall time, processor time, peak memory of the largest process.
"""

import os
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENGINES = [
    ("docker20", "AICAGE_TEST_DOCKER20", ["docker", "build"]),
    ("docker26", "AICAGE_TEST_DOCKER26", ["docker", "buildx", "build"]),
    ("docker28", "AICAGE_TEST_DOCKER28", ["docker", "buildx", "build"]),
    ("docker28-containerd", "AICAGE_TEST_DOCKER28_CONTAINERD", ["docker", "buildx", "build"]),
]
ROUNDS = int(os.environ.get("AICAGE_BENCH_ROUNDS", "15"))


def program(name):
    """Returns the path of a release binary."""
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    triple = next(line.split()[1] for line in told.splitlines() if line.startswith("host:"))
    path = os.path.join(HERE, "target", triple, "release", name)
    if not os.path.exists(path):
        sys.exit(f"{path} is not built; run `make bench`")
    return path


def once(command, environment):
    """Returns wall seconds, processor seconds and peak KiB of one whole process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{said.decode(errors='replace')}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def compare(commands, rounds=ROUNDS):
    """Runs the commands in turn and returns the medians of each."""
    for command, environment in commands:
        once(command, environment)
    figures = [[] for _ in commands]
    for _ in range(rounds):
        for figure, (command, environment) in zip(figures, commands):
            figure.append(once(command, environment))
    return [tuple(statistics.median(column) for column in zip(*rows)) for rows in figures]


def row(name, figure, more=""):
    wall, cpu, peak = figure
    print(f"  {name:<46} {wall * 1000:8.1f} ms {cpu * 1000:8.1f} ms {peak / 1024:7.1f} MiB  {more}", flush=True)


def note_on_peaks():
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n(peaks at or below {own:.0f} MiB can be this script's own: a child starts as a copy of it)")


def define(folder, name, script="", install="", declared=None):
    """Writes the definition of an agent."""
    agent = os.path.join(folder, "agents", name)
    os.makedirs(agent)
    files = {"agent.yml": f"agent_full_name: {name}\nagent_homepage: https://example.org/{name}\n",
             "install.sh": install, "version.sh": script, "version.yml": declared}
    for file, text in files.items():
        if text is not None:
            with open(os.path.join(agent, file), "w", encoding="utf-8") as out:
                out.write(text)
    os.chmod(os.path.join(agent, "install.sh"), 0o755)
    return agent


def entering(engine, command):
    """Returns the command run in the engine's own root, where its own client is."""
    cache = os.environ.get("AICAGE_TEST_ENGINES") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "aicage-builder-tests")
    with open(os.path.join(cache, engine, "pid"), encoding="utf-8") as file:
        keeper = file.read().split()[0]
    inside = subprocess.run(["pgrep", "-P", keeper], capture_output=True, text=True, check=True).stdout.split()[0]
    mnt = os.path.join(cache, engine, "mnt")
    return ["nsenter", "--target", inside, "--mount", "--root", "env", "--chdir=/mnt", *command], mnt


def remove(host, image):
    """Takes an image's name away from an engine."""
    subprocess.run(["curl", "--silent", "--unix-socket", host.removeprefix("unix://"), "--request", "DELETE",
                    f"http://docker/images/{image}"], stdout=subprocess.DEVNULL, check=False)
