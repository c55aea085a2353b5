#!/usr/bin/env python3
"""The measured decisions as Markdown tables. Usage: table.py DECISIONS ALLOCATIONS"""
import sys

rows = {}
engines = []
for line in open(sys.argv[1]):
    engine, mix, statements, outcome, median, best = line.rstrip("\n").split("\t")
    engines += [] if engine in engines else [engine]
    rows[mix, int(statements), outcome, engine] = median, best
allocations = {}
for line in open(sys.argv[2]):
    mix, statements, outcome, count = line.rstrip("\n").split("\t")
    allocations[mix, int(statements), outcome] = count


def time(ns):
    return f"{ns:,.0f} ns" if ns < 10_000 else f"{ns / 1000:,.0f} µs" if ns < 1e7 else f"{ns / 1e6:,.0f} ms"


for mix in ("worst", "realistic"):
    print(f"\n{mix}: median (best), and how many times our median\n")
    print("| statements | outcome | " + " | ".join(engines) + " | allocations, ours |")
    print("|---|---|" + "---|" * (len(engines) + 1))
    for statements, outcome in sorted({(key[1], key[2]) for key in rows if key[0] == mix}):
        cells = []
        own = float(rows[mix, statements, outcome, engines[0]][0])
        for engine in engines:
            median, best = rows[mix, statements, outcome, engine]
            if best == "-":
                cells.append("—" if median == "unreadable" else median)
                continue
            ratio = "" if engine == engines[0] else f", {float(median) / own:,.1f}×"
            cells.append(f"{time(float(median))} ({time(float(best))}){ratio}")
        print(f"| {statements:,} | {outcome} | " + " | ".join(cells) + f" | {allocations[mix, statements, outcome]} |")
