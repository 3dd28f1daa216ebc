#!/usr/bin/env python3
"""Holds every #include "…" of kernels/, roofline/ and autotune/ against the layers of the house.

usage: check_includes.py ROOT; prints one line a fault; exit status 1 when there is one.

A file may include its own room and the rooms of lower layers: never a higher layer, never another room of its own
layer. Texts that become kernels (*.cuh, and what they include) stay inside kernels/ and use no standard header.
"""
import pathlib
import re
import sys

# From the ground up. One line a layer; a room is the prefixes of the paths that belong to it, "|" between them.
LAYERS = [
    ["kernels/base/"],
    ["kernels/runtime/device.h|kernels/runtime/plan.h"],  # nouns of a launch, for the emulator and the CUDA loader
    ["kernels/prim/|kernels/emulator/"],  # one vocabulary, its two meanings
    ["kernels/tile/", "kernels/qoq/", "kernels/runtime/", "kernels/family.h|kernels/problem.cpp"],
    ["kernels/gemm/", "kernels/attention/", "kernels/ceiling/", "kernels/activation/", "kernels/checkpoint/"],
    ["kernels/families.", "kernels/llama/"],
    ["kernels/transform/"],
    ["kernels/quantize/"],
    ["kernels/accuracy/"],
    ["roofline/instruction_mix/", "roofline/gpu/"],
    ["roofline/model/", "roofline/overhead/", "roofline/serving/"],
    ["autotune/job/", "autotune/compile/", "autotune/verify/", "autotune/measure/", "autotune/counters/",
     "autotune/search/", "autotune/store/", "autotune/interchange/"],
    ["autotune/baselines/"],  # other libraries' kernels on the lanes that ours run on
    ["autotune/worker/"],  # hands subjects to whoever measures, verifies or counts
    ["autotune/serving/"],  # a model on the kernels that rows tell of; commands and reports print it
    ["autotune/tune/", "autotune/report/", "autotune/select/", "autotune/bandwidth/", "autotune/compare/",
     "autotune/replay/", "autotune/ceilings/", "autotune/model_check/", "autotune/export/", "autotune/doctor/"],
    ["autotune/cli/"],
]
ROOMS = {prefix: (layer, room) for layer, rooms in enumerate(LAYERS) for room in rooms for prefix in room.split("|")}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def place(path):
    """(layer, room) of a path, by its longest known prefix; None when it has none."""
    prefixes = [prefix for prefix in ROOMS if path.startswith(prefix)]
    return ROOMS[max(prefixes, key=len)] if prefixes else None


def includes(root, path):
    """(line, quoted, angled) of every include in a file."""
    text = (root / path).read_text()
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(match.lastindex)) + 1, match.group(1), match.group(2)


def layer_faults(root, path):
    here = place(path)
    if here is None:
        return [f"{path}: its folder is in no layer (tests/layers/check_includes.py)"]
    faults = []
    for line, quoted, _ in includes(root, path):
        if quoted is None:
            continue
        there = place(quoted)
        if not (root / quoted).is_file():
            faults.append(f'{path}:{line}: includes "{quoted}", which is no path from the root')
        elif there is None:
            faults.append(f'{path}:{line}: includes "{quoted}", which is in no layer')
        elif there[0] > here[0]:
            faults.append(f'{path}:{line}: includes "{quoted}" of a higher layer')
        elif there[0] == here[0] and there[1] != here[1]:
            faults.append(f'{path}:{line}: includes "{quoted}" of another room of its own layer')
    return faults


def kernel_faults(root):
    """Every *.cuh and all it includes, transitively."""
    waiting = [path.relative_to(root).as_posix() for path in sorted((root / "kernels").rglob("*.cuh"))]
    seen, faults = set(waiting), []
    while waiting:
        path = waiting.pop()
        for line, quoted, angled in includes(root, path):
            if angled is not None:
                faults.append(f"{path}:{line}: kernel text includes <{angled}>")
            elif not quoted.startswith("kernels/"):
                faults.append(f'{path}:{line}: kernel text includes "{quoted}", outside kernels/')
            elif quoted not in seen and (root / quoted).is_file():
                seen.add(quoted)
                waiting.append(quoted)
    return faults


def check(root):
    """(number of files read, faults)."""
    paths = [
        path.relative_to(root).as_posix()
        for top in ("kernels", "roofline", "autotune")
        for path in sorted((root / top).rglob("*"))
        if path.suffix in (".h", ".cpp", ".cuh")
    ]
    faults = [fault for path in paths for fault in layer_faults(root, path)]
    return len(paths), faults + kernel_faults(root)


if __name__ == "__main__":
    count, found = check(pathlib.Path(sys.argv[1]))
    print("\n".join(found) if found else f"{count} files, every include goes down")
    sys.exit(1 if found or count == 0 else 0)
