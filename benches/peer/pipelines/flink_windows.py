"""Flink: `python flink_windows.py <window|read> <input.csv> <output folder>`.

SQL alone: Python only starts the JVM, and every row is read, aggregated and written by Flink's own generated code.
"""

import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

from question import LATENESS_S, SIGNALS, WINDOW_S

SETTINGS = {
    "parallelism.default": "1",
    "pipeline.object-reuse": "true",
    "table.exec.source.idle-timeout": "0",
    "rest.address": "127.0.0.1",
    "rest.bind-port": "0",
}


def run(task, source, target):
    from pyflink.table import EnvironmentSettings, TableEnvironment

    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in SETTINGS.items():
        table.get_config().set(name, value)
    columns = ", ".join(f"{name} DOUBLE" for name in SIGNALS)
    # The header is a row of nulls to Flink: it is given a time, and left out below.
    table.execute_sql(
        f"CREATE TABLE samples (vehicle_id STRING, unix_ms BIGINT, {columns}, t AS TO_TIMESTAMP_LTZ(COALESCE(unix_ms, 0), 3), "
        f"WATERMARK FOR t AS t - INTERVAL '{LATENESS_S}' SECOND) WITH ('connector' = 'filesystem', 'path' = '{source}', "
        "'format' = 'csv', 'csv.ignore-parse-errors' = 'true')"
    )
    told = ", ".join(f"{name}_mean DOUBLE, {name}_max DOUBLE, {name}_p95 DOUBLE" for name in SIGNALS)
    table.execute_sql(f"CREATE TABLE told (vehicle_id STRING, start_ms BIGINT, {told}) WITH ('connector' = 'filesystem', 'path' = '{target}', 'format' = 'csv')")
    if task == "read":
        # A sum of all, so that every column has to be parsed.
        nothing = " + ".join(SIGNALS) + " < -1e30"
        values = ", ".join(f"{name}, {name}, {name}" for name in SIGNALS)
        query = f"SELECT vehicle_id, unix_ms, {values} FROM samples WHERE {nothing}"
    else:
        values = ", ".join(f"AVG({name}), MAX({name}), PERCENTILE({name}, 0.95)" for name in SIGNALS)
        window = f"TABLE(TUMBLE(TABLE samples, DESCRIPTOR(t), INTERVAL '{WINDOW_S}' SECOND))"
        start = "UNIX_TIMESTAMP(CAST(window_start AS STRING)) * 1000"
        query = f"SELECT vehicle_id, {start}, {values} FROM {window} WHERE unix_ms IS NOT NULL GROUP BY vehicle_id, window_start, window_end"
    table.execute_sql(f"INSERT INTO told {query}").wait()


def end_the_jvm():
    """Waits for what was started, so that its processor time counts as this process's children's."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        os.kill(int(child), signal.SIGTERM)
        os.waitpid(int(child), 0)
    # Python would look for the JVM once more on its way out.
    os._exit(0)


if sys.argv[1] == "version":
    print(f"Flink {version('apache-flink')}, Python {sys.version.split()[0]}")
else:
    run(*sys.argv[1:4])
    end_the_jvm()
