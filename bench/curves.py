"""What plot.py draws besides events/s: latencies, and how throughput goes on in one long measurement."""
import math
import statistics

LEFT, LINE, HEIGHT = 430, 20, 220
AT = {"p50": 5, "p99": 4, "p99.9": 3}       # radius of its circle
COLOURS = {"commit": "#1f5fa8", "consumer": "#d9822b", "produced": "#1f5fa8", "consumed": "#d9822b"}


def latencies(measurements, top, width, text):
    """A line for each latency: its percentiles, medians over the rounds, in milliseconds on a logarithmic scale."""
    rows = {}
    for one in measurements:
        for what in "commit", "consumer":
            if what in one:
                label = f"{one['name']}: {what}" + (f", its commits {one['durable']}" if what == "consumer" else "")
                rows.setdefault((one["name"], one["durable"], what, label), []).append(one[what])
    if not rows:
        return [], top
    values = {row: {at: statistics.median(one[at] for one in found) for at in AT} for row, found in rows.items()}
    low = math.log10(min(min(row.values()) for row in values.values())) - 0.05
    high = math.log10(max(max(row.values()) for row in values.values())) + 0.05

    def place(ms):
        return LEFT + (math.log10(ms) - low) / (high - low) * (width - LEFT - 20)

    y, bottom = top + LINE, top + LINE * (len(rows) + 1) + 8
    out = [text(10, y, "latency, milliseconds: 50 %, 99 %, 99.9 %", font_weight="bold", font_size=15)]
    for tick in (power * 10 ** exponent for exponent in range(math.floor(low), math.ceil(high)) for power in (1, 2, 5)):
        if low <= math.log10(tick) <= high:
            out.append(f'<line x1="{place(tick):.1f}" x2="{place(tick):.1f}" y1="{y + 6}" y2="{bottom}" stroke="#dddddd"/>')
            out.append(text(place(tick), y, f"{tick:g}", text_anchor="middle", font_size=11))
    for (_, _, what, label), row in values.items():
        y += LINE
        out.append(text(20, y, label))
        left, right, colour = place(row["p50"]), place(row["p99.9"]), COLOURS[what]
        out.append(f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}"/>')
        out += [f'<circle cx="{place(row[at]):.1f}" cy="{y - 4}" r="{radius}" fill="{colour}"/>' for at, radius in AT.items()]
    return out, bottom + LINE


def series(measurements, top, width, text):
    """Events/s from step to step; grey where a checkpoint was made."""
    out = []
    for one in measurements:
        steps = one.get("series", ())
        if len(steps) < 2:
            continue
        last, most = steps[-1]["second"], max(max(step["produced"], step["consumed"]) for step in steps) or 1

        def place(step, value):
            return 80 + step["second"] / last * (width - 100), top + LINE + HEIGHT - value / most * (HEIGHT - LINE)

        out.append(text(10, top + LINE, f"{one['name']}: events/s over {last:,.0f} seconds", font_weight="bold", font_size=15))
        for part in (0, 0.5, 1):
            y = place(steps[0], part * most)[1]
            out.append(f'<line x1="80" x2="{width - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
            out.append(text(75, y + 4, f"{part * most:,.0f}", text_anchor="end", font_size=11))
        for step in steps:
            if step["checkpoints"]:
                x = place(step, 0)[0]
                out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 2 * LINE}" y2="{top + LINE + HEIGHT}" stroke="#bbbbbb"'
                           ' stroke-width="4"/>')
        for number, what in enumerate(("produced", "consumed")):
            points = " ".join("{:.1f},{:.1f}".format(*place(step, step[what])) for step in steps)
            out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[what]}" stroke-width="2"/>')
            out.append(text(width - 200 + 90 * number, top + LINE, what, fill=COLOURS[what]))
        out.append(text(80, top + HEIGHT + 2 * LINE, "grey: a checkpoint", font_size=11))
        top += HEIGHT + 3 * LINE
    return out, top
