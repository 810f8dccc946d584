"""One web page of what `make bench` measured: ratios first, then figures, then the raw numbers.

It needs nothing from elsewhere. Figures are SVG in the page: their lines and letters take the
page's colours, light or dark, and its size, from a phone to a screen.
"""

import re
from io import StringIO
from pathlib import Path

import matplotlib
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from measuring import FEWEST, OURS, UNITS
from one_group import GROUPS

TEMPLATE = "bench_page.html.j2"
SAME = 0.02  # a ratio or change that is nearer to 1 is called the same
ABOUT = 0.1  # a ratio whose whole range is as near to 1 is about the same
INK = "#010203"  # stands for the colour of the page's letters
COLOURS = {  # each stands for one of the page's colours
    "now": "#010204",
    "then": "#010205",
    "grid": "#010206",
    "ground": "#010207",
}


# --- in words ------------------------------------------------------------------------------------


def sentence(ratio: dict, unit: str) -> str:
    "What a ratio says."
    noun = UNITS[unit]
    ours, peer = ratio["ours"], ratio["peer"]
    if "not_measured" in ratio:
        return absence(ratio["not_measured"])
    median, low, high = ratio["median"], ratio["low"], ratio["high"]
    if ratio["n"] < FEWEST:
        return f"Too few rounds to say ({ratio['n']})."
    if abs(median - 1) < SAME or (1 - ABOUT <= low <= 1 <= high <= 1 + ABOUT):
        return f"{ours} takes about as much {noun} as {peer}."
    if low <= 1 <= high:
        return f"{ours} and {peer} cannot be told apart in so few rounds ({ratio['n']})."
    if median < 0.5:
        return f"{ours} takes {percent(median)} of the {noun} of {peer}."
    if median < 1:
        return f"{ours} takes {percent(1 - median)} less {noun} than {peer}."
    if median < 2:
        return f"{ours} takes {percent(median - 1)} more {noun} than {peer}."
    return f"{ours} takes {median:.1f} times the {noun} of {peer}."


def percent(share: float) -> str:
    "A share in per cent, as exact as one can say it."
    value = 100 * share
    return f"{value:.1f} %" if value < 1 else f"{value:.0f} %"


def absence(why: str) -> str:
    "That there is no number, and why."
    return why if why.startswith("not there") else f"not measured: {why}"


def number(value: float) -> str:
    "A number with two or three digits."
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def interval(spread: dict) -> str:
    "The range of a spread, in which the true median lies."
    return f"{number(spread['low'])}–{number(spread['high'])}"


def said(notes: list) -> str:
    "What was noted in each round: once, if it was always the same."
    words = [number(value) if isinstance(value, float) else f"{value}" for value in notes]
    return ", ".join(words) if len(set(words)) > 1 else words[0]


# --- comparing two commits -----------------------------------------------------------------------


def key(result: dict, ratio: dict) -> tuple[str, str, str]:
    "By which a ratio is found in another JSON."
    return result["name"], ratio["ours"], ratio["peer"]


def ratios_by_key(record: dict) -> dict[tuple, dict]:
    "All ratios of a record."
    return {
        key(result, ratio): ratio for result in record["measurements"] for ratio in result["ratios"]
    }


def change(now: dict, then: dict | None) -> dict:
    "How a ratio has changed: `verdict` is 'less', 'more', 'noise' or 'unknown'."
    if "not_measured" in now:
        return dict(verdict="unknown", words=f"now {absence(now['not_measured'])}")
    if then is None:
        return dict(verdict="unknown", words="nobody asked then")
    if "not_measured" in then:
        return dict(verdict="unknown", words=f"then {absence(then['not_measured'])}")
    if min(now["n"], then["n"]) < FEWEST:
        return dict(verdict="unknown", words="too few rounds to say")
    factor = now["median"] / then["median"]
    ranges_overlap = now["low"] <= then["high"] and then["low"] <= now["high"]
    if ranges_overlap or abs(factor - 1) < SAME:
        return dict(factor=factor, verdict="noise", words="within the noise")
    if factor < 1:
        return dict(factor=factor, verdict="less", words=f"{percent(1 - factor)} less than then")
    if factor < 2:
        return dict(factor=factor, verdict="more", words=f"{percent(factor - 1)} more than then")
    return dict(factor=factor, verdict="more", words=f"{factor:.1f} times as much as then")


def doubts(record: dict, before: dict) -> list[str]:
    "Why two records may not be comparable."
    found = []
    if record["measurements_digest"] != before["measurements_digest"]:
        found.append(
            "The measurements themselves have changed in between. Measure the older commit again: "
            "make bench COMMIT=…"
        )
    if record["films"] != before["films"]:
        found.append(
            f"The data set that is checked has {record['films']:,} films now, and had "
            f"{before['films']:,} then."
        )
    for name in ("processor", "cores", "system"):
        if record["machine"][name] != before["machine"][name]:
            found.append(
                f"Another machine ({name}): {before['machine'][name]} then, "
                f"{record['machine'][name]} now."
            )
    others = [
        f"{name} {before['versions'].get(name) or 'none'} → {now or 'none'}"
        for name, now in record["versions"].items()
        if before["versions"].get(name) != now
    ]
    if others:
        found.append(f"Other versions: {', '.join(others)}.")
    return found


# --- figures -------------------------------------------------------------------------------------

WIDTH = 4.0  # inches; the page makes it as wide as there is room
ROW = 0.5  # inches


def as_svg(fig: Figure, name: str, alt: str) -> Markup:
    "A figure as SVG for the page, with alternative text and colours of the page."
    out = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        fig.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    # Names within a figure are unique in the page.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    # Letters are the page's own, and colours its variables.
    svg = re.sub(r"'[^']*'(, '[^']*')*(, sans-serif)|sans-serif", "inherit", svg)
    svg = svg.replace(INK, "currentColor")
    for colour, code in COLOURS.items():
        svg = svg.replace(code, f"var(--{colour})")
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    svg = re.sub(r'<svg [^>]*?height="[^"]*"', '<svg role="img"', svg, count=1)
    head = f'aria-label="{Markup.escape(alt)}" viewBox="0 0 {size[1]} {size[2]}"'
    svg = re.sub(r'viewBox="[^"]*"', lambda _: head, svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    return Markup(svg)


def empty_figure(rows: int, logarithmic: bool, span: tuple[float, float]) -> tuple:
    "A figure with a place for each row, one below the other, and its axes."
    height = ROW * rows + 0.45
    fig = Figure(figsize=(WIDTH, height))
    ax = fig.add_axes((0.03, 0.42 / height, 0.94, 1 - 0.47 / height))
    ax.set_ylim(rows, 0)
    ax.set_yticks([])
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.spines["bottom"].set_color(INK)
    ax.tick_params(colors=INK, labelsize=10)
    ax.grid(axis="x", color=COLOURS["grid"], linewidth=0.8)
    ax.set_axisbelow(True)
    low, high = span
    if logarithmic:
        ax.set_xscale("log")
        ax.set_xlim(low / 1.3, high * 1.3)
        ax.xaxis.set_major_locator(FixedLocator(ticks_between(low / 1.3, high * 1.3)))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.set_xlim(0, high * 1.06)
    ax.xaxis.set_major_formatter(FuncFormatter(plain_tick))
    return fig, ax


def plain_tick(value: float, _place: int | None = None) -> str:
    "A tick's number without zeros that say nothing."
    return f"{value:,.10g}"


def ticks_between(low: float, high: float) -> list[float]:
    "Round numbers on a logarithmic axis, seven at most."
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [
            step * 10.0**power
            for power in range(-6, 7)
            for step in steps
            if low <= step * 10.0**power <= high
        ]
        if len(ticks) <= 7:
            break
    return ticks


def write(ax, y: float, words: str, **style) -> None:
    "Words at the left edge of a row."
    place = ax.get_yaxis_transform()  # x from edge to edge, y in rows
    ground = dict(facecolor=COLOURS["ground"], edgecolor="none", pad=1)
    ax.text(0, y, words, color=INK, size=10, transform=place, bbox=ground, **style)


def draw_spread(ax, y: float, spread: dict, colour: str, hollow: bool = False) -> None:
    "A spread's rounds as faint points, its range as a line, its median as a large point."
    ax.plot(spread["rounds"], [y] * len(spread["rounds"]), "|", color=colour, alpha=0.5, ms=9)
    ax.plot([spread["low"], spread["high"]], [y, y], color=colour, linewidth=4, alpha=0.6)
    face = "none" if hollow else colour
    ax.plot([spread["median"]], [y], "o", color=colour, markerfacecolor=face, ms=8)


def ratio_figure(rows: list[dict], name: str, with_then: bool) -> Markup:
    "Ratios of a group, one below the other, beside a line at 1."
    values = [1.0]
    for row in rows:
        for spread in (row["now"], row["then"]):
            if spread and "rounds" in spread:
                values += spread["rounds"]
    fig, ax = empty_figure(len(rows), True, (min(values), max(values)))
    ax.axvline(1, color=INK, linewidth=1)
    alt = []
    for place, row in enumerate(rows):
        write(ax, place + 0.3, row["label"])
        if "rounds" in row["now"]:
            draw_spread(ax, place + 0.58, row["now"], COLOURS["now"])
            alt.append(f"{row['label']}: {number(row['now']['median'])}")
        else:
            why = absence(row["now"]["not_measured"]).split(":")[0]
            write(ax, place + 0.7, why, style="italic")
            alt.append(f"{row['label']}: {why}")
        if with_then and row["then"] and "rounds" in row["then"]:
            draw_spread(ax, place + 0.82, row["then"], COLOURS["then"], hollow=True)
            alt[-1] += f" (then {number(row['then']['median'])})"
    return as_svg(fig, name, f"Ratios on a scale on which 1 is the peer. {'; '.join(alt)}.")


def value_figure(result: dict) -> Markup | str:
    "The numbers of each candidate, one below the other."
    measured = {name: found for name, found in result["candidates"].items() if "rounds" in found}
    if not measured:
        return ""
    values = [value for found in measured.values() for value in found["rounds"]]
    is_wide = min(values) > 0 and max(values) / min(values) > 30
    fig, ax = empty_figure(len(result["candidates"]), is_wide, (min(values), max(values)))
    alt = []
    for place, (name, found) in enumerate(result["candidates"].items()):
        write(ax, place + 0.3, name)
        if "rounds" in found:
            draw_spread(ax, place + 0.65, found, COLOURS["now"])
            alt.append(f"{name} {number(found['median'])}")
        else:
            why = absence(found["not_measured"]).split(":")[0]
            write(ax, place + 0.7, why, style="italic")
            alt.append(f"{name} {why}")
    words = f"{result['title']}, {result['unit']}: {'; '.join(alt)}."
    return as_svg(fig, result["name"].replace("_", "-"), words)


# --- the page ------------------------------------------------------------------------------------


def label_of(result: dict, ratio: dict) -> str:
    "A ratio's name in a figure."
    ours = result["title"] if ratio["ours"] == OURS else ratio["ours"]
    return f"{ours}, beside {ratio['peer']}"


def rows_of(record: dict, before: dict | None) -> dict[str, list[dict]]:
    "The ratios of each group, with those of another record."
    earlier = ratios_by_key(before) if before else {}
    groups: dict[str, list[dict]] = {}
    for result in record["measurements"]:
        for ratio in result["ratios"]:
            then = earlier.get(key(result, ratio))
            row = dict(
                result=result,
                label=label_of(result, ratio),
                now=ratio,
                then=then,
                sentence=sentence(ratio, result["unit"]),
                change=change(ratio, then) if before else None,
            )
            groups.setdefault(result["group"], []).append(row)
    return groups


def name_of(record: dict) -> str:
    "What a measured state is called on the page."
    commit = (record["commit"] or "unknown")[:12]
    return f"{commit}, with changes" if record["is_changed"] else commit


def page_of(record: dict, before: dict | None = None) -> str:
    "The page as HTML."
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, interval=interval, absence=absence, said=said, state=name_of
    )
    groups = rows_of(record, before)
    verdicts = [row["change"]["verdict"] for rows in groups.values() for row in rows if before]
    return environment.get_template(TEMPLATE).render(
        record=record,
        before=before,
        titles=GROUPS,
        groups=groups,
        doubts=doubts(record, before) if before else [],
        counts={verdict: verdicts.count(verdict) for verdict in ("less", "more", "noise")},
        figures={
            group: ratio_figure(rows, f"ratios-{group.replace('_', '-')}", before is not None)
            for group, rows in groups.items()
        },
        values={result["name"]: value_figure(result) for result in record["measurements"]},
        units=UNITS,
    )


def write_page(record: dict, before: dict | None, file: Path) -> Path:
    "Write the page; returns its path."
    file.write_text(page_of(record, before), encoding="utf-8")
    return file
