"""Draws the raw results of a run: python3 bench/plot.py results/X.json writes results/X.svg.

A line for each contestant: the median of its events/s, and the interval of the median, on a logarithmic scale for each set.
"""
import html
import itertools
import json
import math
import pathlib
import statistics
import sys

import curves
import measure

WIDTH, LEFT, LINE = 1000, 430, 20
COLOURS = {"flushed": "#1f5fa8", "not flushed": "#d9822b", "-": "#666666"}


def rows_of(measurements):
    """(heading, name, clients, durable) and the rates."""
    found = {}
    for one in measurements:
        found.setdefault((one["heading"], one["name"], one["clients"], one["durable"]), []).append(one["rate"])
    return found


def text(x, y, content, **attributes):
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{html.escape(content)}</text>'


def draw(name, rows, top):
    """The lines of a set from `top` down; returns where they end, too."""
    low, high = math.log10(min(map(min, rows.values()))) - 0.05, math.log10(max(map(max, rows.values()))) + 0.05

    def place(rate):
        return LEFT + (math.log10(rate) - low) / (high - low) * (WIDTH - LEFT - 20)

    y = top + LINE
    out = [text(10, y, name, font_weight="bold", font_size=15)]
    ticks = [power * 10 ** exponent for exponent in range(math.floor(low), math.ceil(high)) for power in (1, 2, 5)]
    bottom = y + LINE * (len(rows) + sum(1 for heading, _ in itertools.groupby(rows, key=lambda row: row[0]) if heading)) + 8
    for tick in ticks:
        if low <= math.log10(tick) <= high:
            out.append(f'<line x1="{place(tick):.1f}" x2="{place(tick):.1f}" y1="{y + 6}" y2="{bottom}" stroke="#dddddd"/>')
            out.append(text(place(tick), y, f"{tick:,.0f}", text_anchor="middle", font_size=11))
    heading = ""
    for (of, label, clients, durable), rates in rows.items():
        y += LINE
        if of != heading:
            heading = of
            out.append(text(10, y, of, font_style="italic"))
            y += LINE
        left, right = map(place, measure.interval(rates))
        colour = COLOURS[durable]
        how = f"{clients} client{'s' * (clients > 1)}, {durable}".removesuffix(", -")
        out += [text(20, y, label), text(LEFT - 10, y, how, text_anchor="end"),
                f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="3"/>',
                f'<circle cx="{place(statistics.median(rates)):.1f}" cy="{y - 4}" r="5" fill="{colour}"/>']
    return out, bottom + LINE


def main():
    source = pathlib.Path(sys.argv[1])
    results, out, y = json.loads(source.read_text(encoding="utf-8")), [], 10
    for name, one in results["sets"].items():
        lines, y = draw(f"{name}: events/s", rows_of(one["measurements"]), y)
        out += lines
        for curve in curves.latencies, curves.series:
            lines, y = curve(one["measurements"], y, WIDTH, text)
            out += lines
    source.with_suffix(".svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(out) + "\n</svg>\n", encoding="utf-8")


if __name__ == "__main__":
    main()
