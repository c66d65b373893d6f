#!/usr/bin/env python3
"""run_peer.py prepare|time PEER VARIANT MODEL --models FOLDER --work FOLDER [--threads N] ...

One engine, one model, one process; called by compare_peers.py, which see. `prepare` converts and
quantises; `time` loads the result, checks its answer against PyTorch's, warms up, measures, and
prints one JSON object. Exit status 3: the engine does not have what this model or variant needs;
the reason is the last line of stderr.

A peer is a module peer_NAME.py here with
    VARIANTS            names of the variants, the plain one first
    version()           of what is measured
    prepare(case)       writes what load() needs into case.folder; raises Unsupported
    load(case)          returns a function without arguments that runs the model once on case.inputs
                        and one that returns the outputs of the last run, a dict or a list
"""

import argparse
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from peer_case import Case, Unsupported  # noqa: E402


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def peak_bytes():
    """Since this program began; getrusage() would count its caller's before the exec, too."""
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def lift_threads(priority):
    """All threads that exist now join the real-time class; loading was not worth it."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(priority))


def cosine(got, wanted):
    a, b = (np.asarray(x, np.float64).ravel() for x in (got, wanted))
    if a.size != b.size or not np.isfinite(a).all():
        return None
    return float(a @ b / max(1e-30, np.linalg.norm(a) * np.linalg.norm(b)))


def warm_up(run):
    begin, runs = time.perf_counter(), 0
    while time.perf_counter() - begin < 0.15 or runs < 3:
        run()
        runs += 1


def measure(run, seconds, runs_min):
    took, begin = [], time.perf_counter()
    while time.perf_counter() - begin < seconds or len(took) < runs_min:
        start = time.perf_counter()
        run()
        took.append((time.perf_counter() - start) * 1e6)
    return took


def time_case(case, arguments):
    case.inputs  # noqa: B018: read before the memory is weighed
    before = resident_bytes()
    peer = importlib.import_module("peer_" + arguments.peer)
    begin = time.perf_counter()
    run, outputs = peer.load(case)
    load_ms = (time.perf_counter() - begin) * 1e3
    run()
    answers = outputs()
    answers = list(answers.values()) if isinstance(answers, dict) else list(answers)
    match = cosine(answers[0], case.wanted()[0])
    warm_up(run)
    if arguments.fifo:
        lift_threads(arguments.fifo)
    took = measure(run, arguments.seconds, arguments.runs)
    peak = peak_bytes()
    return {
        "latency_us_median": float(np.median(took)),
        "latency_us_min": min(took),
        "runs": len(took),
        "load_ms": load_ms,
        "cosine": match,
        "peak_memory_bytes": peak,
        "peak_memory_beyond_python_bytes": peak - before,
        "file_bytes": case.file_bytes(),
        "version": peer.version(),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["prepare", "time"])
    parser.add_argument("peer")
    parser.add_argument("variant")
    parser.add_argument("model")
    parser.add_argument("--models", required=True, help="what make_reference_models.py wrote")
    parser.add_argument("--work", required=True, help="folder for converted models")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.8)
    parser.add_argument("--runs", type=int, default=10, help="at least so many")
    parser.add_argument("--fifo", type=int, default=0, help="real-time priority of the measurement")
    arguments = parser.parse_args()
    case = Case(
        model=arguments.model,
        variant=arguments.variant,
        models=Path(arguments.models),
        folder=Path(arguments.work) / arguments.peer / arguments.variant,
        threads=arguments.threads,
    )
    try:
        if arguments.action == "prepare":
            peer = importlib.import_module("peer_" + arguments.peer)
            case.folder.mkdir(parents=True, exist_ok=True)
            peer.prepare(case)
            result = {"version": peer.version(), "file_bytes": case.file_bytes()}
        else:
            result = time_case(case, arguments)
    except Unsupported as reason:
        print(reason, file=sys.stderr)
        sys.exit(3)
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)  # some engines crash in their destructors, after all that matters is done


if __name__ == "__main__":
    main()
