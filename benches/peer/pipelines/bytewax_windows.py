"""Bytewax: `python bytewax_windows.py <window|read> <input.csv> <output.csv>`.

Windows are collected without order (the default would sort each by time) and told when they close: measured beside a fold that
keeps sums and maxima as it goes, that is the faster of the two, as percentiles need the values anyway.
"""

import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main
from question import LATENESS_S, WINDOW_S, nearest_rank

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
from_timestamp, utc = datetime.fromtimestamp, timezone.utc


def parse(line):
    vehicle, unix_ms, *values = line.split(",")
    return vehicle, (from_timestamp(int(unix_ms) / 1000, utc), *map(float, values))


def tell(vehicle, window):
    window_id, rows = window
    fields = [vehicle, str(window_id * WINDOW_S * 1000)]
    _, *columns = zip(*rows)
    count = len(rows)
    at = nearest_rank(count)
    for values in columns:
        fields += [repr(sum(values) / count), repr(max(values)), repr(sorted(values)[at])]
    return vehicle, ",".join(fields)


def flow(task, source, target):
    flow = Dataflow("windows")
    lines = op.input("read", flow, FileSource(Path(source), batch_size=1000))
    lines = op.filter("no header", lines, lambda line: not line.startswith("vehicle_id"))
    samples = op.map("parse", lines, parse)
    if task == "read":
        none = op.filter("none", samples, lambda sample: sample[1][1] < -1e30)
        op.output("write", op.map("text", none, lambda sample: (sample[0], "")), FileSink(Path(target)))
        return flow
    # By default the machine's clock moves event time on between two samples, and what comes late by the full bound is too late then.
    # A clock that stands still leaves it to the samples, and saves looking.
    clock = win.EventClock(
        lambda row: row[0],
        wait_for_system_duration=timedelta(seconds=LATENESS_S),
        now_getter=lambda: EPOCH,
        to_system_utc=lambda _time: None,
    )
    windower = win.TumblingWindower(align_to=EPOCH, length=timedelta(seconds=WINDOW_S))
    windows = win.collect_window("window", samples, clock, windower, ordered=False).down
    told = op.map("tell", windows, lambda item: tell(*item))
    op.output("write", told, FileSink(Path(target)))
    return flow


if sys.argv[1] == "version":
    print(f"Bytewax {version('bytewax')}, Python {sys.version.split()[0]}")
else:
    cluster_main(flow(*sys.argv[1:4]), [], 0, worker_count_per_proc=1)
