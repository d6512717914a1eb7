"""The figures, as Markdown."""


def costs(samples):
    """Of each proxy the round in which it cost least."""
    best = {key: min(rounds, key=lambda sample: sample.cost) for key, rounds in samples.items()}
    heads = ["case", "proxy", "µs CPU", "gateway by it", "requests/s", "p50 µs", "p99 µs", "p99.9 µs"]
    rows = []
    for (case, proxy), sample in best.items():
        own = best.get((case, "gateway"))
        ratio = f"{own.cost / sample.cost:.2f}" if own and own is not sample else "–"
        latencies = [f"{value:,.0f}" for value in (sample.p50, sample.p99, sample.p999)]
        rate = f"{sample.requests / sample.seconds:,.0f}"
        rows.append([case, proxy, f"{sample.cost:,.1f}", ratio, rate, *latencies])
    show(heads, rows)


def noise(samples):
    """How many times the least the most was, at the worst."""
    spreads = []
    for rounds in samples.values():
        costs = [sample.cost for sample in rounds]
        spreads.append(max(costs) / min(costs))
    return max(spreads)


def memory(sizes, connections):
    heads = ["memory", "MiB with one connection", f"with {connections:,}", "KiB for each"]
    rows = [[proxy, f"{before / 2**20:.1f}", f"{after / 2**20:.1f}",
             f"{(after - before) / connections / 1024:.1f}"] for proxy, (before, after) in sizes.items()]
    show(heads, rows)


def show(heads, rows):
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    words = [heads, ["-" * width for width in widths], *rows]
    for row in words:
        print("|", " | ".join(word.ljust(width) for word, width in zip(row, widths)), "|")
