# SPDX-License-Identifier: BSD-3-Clause
"""Bar charts, by gnuplot."""

import pathlib
import subprocess

# Told apart by people who don't see all colours, and on paper.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000")


class ChartError(Exception):
    """gnuplot did not draw."""


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def table(rows, columns, values):
    """A data block: a line for each row, a column for each series; a dash where there is none."""
    lines = []
    for row in rows:
        cells = [values.get((row, column)) for column in columns]
        lines.append(quoted(row) + " " + " ".join("NaN" if cell is None else f"{cell:.6g}"
                                                  for cell in cells))
    return "$data << EOD\n" + "\n".join(lines) + "\nEOD\n"


SCALES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))
NO_SCALE = ("%", "per I/O")


def scaled(unit, values):
    """The values in thousands, millions, ... as the largest asks for, and the unit's new name."""
    largest = max((abs(value) for value in values.values()), default=0)
    if unit.startswith(NO_SCALE):
        return unit, values
    for scale, prefix in SCALES:
        if largest >= scale:
            return f"{prefix} {unit}".strip() if unit == "IOPS" else prefix + unit, \
                {key: value / scale for key, value in values.items()}
    return unit, values


def script(title, unit, rows, columns, values, stacked):
    style = "rowstacked" if stacked else "clustered gap 1"
    series = ", ".join(
        f"$data using {number + 2}{':xtic(1)' if number == 0 else ''} title {quoted(column)} "
        f"linecolor rgb '{COLOURS[number % len(COLOURS)]}'"
        for number, column in enumerate(columns))
    return (table(rows, columns, values)
            + f"set title {quoted(title)} font ',15'\n"
            f"set ylabel {quoted(unit)}\n"
            "set style data histogram\n"
            f"set style histogram {style}\n"
            "set style fill solid 0.9 border -1\n"
            "set boxwidth 0.85\n"
            "set yrange [0:*]\n"
            "set format y '%g'\n"
            "set grid ytics linecolor rgb '#cccccc'\n"
            "set border 3\nset tics nomirror\n"
            "set xtics rotate by -20 font ',10'\n"
            "set key outside bottom center horizontal font ',10'\n"
            "set rmargin 6\n", f"plot {series}\n")


def drop_trailing_blanks(path):
    """gnuplot leaves many, and a chart may be kept where nobody wants them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")


def draw(path, title, unit, rows, columns, values, stacked=False):
    """Writes path.svg and path.png; `values` maps (row, column) to a number."""
    unit, values = scaled(unit, values)
    setup, plot = script(title, unit, rows, columns, values, stacked)
    for kind, terminal in (("svg", "svg size 1000,520 dynamic background rgb 'white'"),
                           ("png", "pngcairo size 1000,520 background rgb 'white'")):
        text = (f"set terminal {terminal} enhanced font 'Helvetica,12'\n"
                f"set output {quoted(f'{path}.{kind}')}\n" + setup + plot)
        done = subprocess.run(["gnuplot"], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ChartError(f"gnuplot: {done.stderr.strip()[-300:]}")
    drop_trailing_blanks(pathlib.Path(f"{path}.svg"))
