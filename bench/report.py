"""The tables: contestants, ratios, targets."""
import statistics

import measure

RATIOS_WIDTH = 68


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def median(row, what):
    values = row.values(what)
    return number(statistics.median(values)) if values else ""


def contestants(rows, columns):
    """Events, WAL bytes of an event, seconds of CPU time of server and clients for a million; and what the set adds."""
    print(f"\n{'':40} {'clients':>7} {'durable':>11} {'events/s':>11} {'95 % of the median':>25} {'WAL B':>6} {'server':>6}"
          f" {'client':>6}" + "".join(f" {title:>8}" for title in columns.values()))
    heading = ""
    for row in rows:
        if row.heading != heading:
            heading = row.heading
            print(heading)
        if row.missing:
            print(f"  {row.name:38} missing: {row.missing}")
            continue
        low, high = measure.interval(row.values("rate"))
        print(f"  {row.name:38} {row.clients:>7} {row.durable:>11} {median(row, 'rate'):>11}"
              f" {number(low) + ' .. ' + number(high):>25} {median(row, 'wal'):>6} {median(row, 'server_cpu'):>6}"
              f" {median(row, 'client_cpu'):>6}" + "".join(f" {median(row, what):>8}" for what in columns))


def ratios(chosen, rows):
    """Of each round; those of the targets come again in a table of their own."""
    kept = [(ratio, *pair) for ratio in chosen for pair in ratio.pairs(rows) if not any(row.missing for row in pair)]
    if kept:
        print(f"\n{'ratios, round by round':{RATIOS_WIDTH}} {'clients':>7} {'durable':>11} {'median':>8}"
              f" {'95 % of the median':>20}    CPU")
    for ratio, a, b in kept:
        values = ratio.values(a, b)
        low, high = measure.interval(values)
        spent = f"{statistics.median(ratio.values(a, b, measure.cpu)):>6.2f}" if ratio.of == measure.faster else ""
        print(f"  {ratio.what:{RATIOS_WIDTH - 2}} {a.clients:>7} {a.durable:>11} {statistics.median(values):>8.2f}"
              f" {low:>9.2f} .. {high:<7.2f} {spent}")


def targets(chosen, rows, where="left out"):
    """One dict for each target: measured, judged, or why not: what is to be compared is missing, or not in these rows."""
    found = []
    for ratio in (ratio for ratio in chosen if ratio.target):
        one = {"target": ratio.target, "what": ratio.what, "bound": ratio.bound()}
        pairs = ratio.pairs(rows)
        if not pairs:
            found.append({**one, "verdict": f"not measured: {where}"})
        for a, b in pairs:
            missing = a.missing or b.missing
            if missing:
                found.append({**one, "verdict": f"not measured: {missing}"})
                continue
            values = ratio.values(a, b)
            low, high = measure.interval(values)
            found.append({**one, "clients": a.clients, "durable": a.durable, "pairs": len(values),
                          "median": statistics.median(values), "low": low, "high": high,
                          "verdict": ratio.judge(values) if len(values) >= ratio.ROUNDS else "too few rounds"})
    return found


def show_targets(found):
    if not found:
        return
    print(f"\n{'targets':{RATIOS_WIDTH + 5}} {'target':>8} {'median':>8} {'95 % of the median':>20}")
    for one in sorted(found, key=lambda one: one["target"]):
        figures = f"{one['median']:>8.3f} {one['low']:>9.3f} .. {one['high']:<7.3f}" if "median" in one else " " * 29
        print(f"  {one['target']:>3} {one['what']:{RATIOS_WIDTH}} {one['bound']:>7} {figures}  {one['verdict']}")
