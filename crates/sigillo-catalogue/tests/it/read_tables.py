"""Reads a Delta table with deltalake and DuckDB, and compares it with what it must hold.

Usage: read_tables.py FOLDER EXPECTED, one row a line as JSON. Rows must be equal, and a filter on
every column must find as many as there are: with statistics that are wrong, or of some columns
only, these readers pass over segments in silence.
"""

import datetime
import json
import sys

import duckdb
import pyarrow.compute
from deltalake import DeltaTable


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, datetime.date) else value


def main(folder, expected):
    with open(expected, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    order = lambda row: (row["version_id"], row["commit"])
    rows.sort(key=order)
    dataset = DeltaTable(folder).to_pyarrow_dataset()
    table = dataset.to_table()
    found = sorted(({k: plain(v) for k, v in row.items()} for row in table.to_pylist()), key=order)
    if found != rows:
        first = next((pair for pair in zip(found, rows) if pair[0] != pair[1]), None)
        sys.exit(f"{len(found)} rows for {len(rows)}, first difference {first}")
    connection = duckdb.connect()
    connection.execute("set timezone='UTC'")
    filters = 0
    for name in table.column_names:
        field = pyarrow.compute.field(name)
        values = sorted({row[name] for row in rows if row[name] is not None})
        chosen = {*values[:1], *values[len(values) // 2 :][:1], *values[-1:]}
        native = {plain(v): v for v in table.column(name).to_pylist()}
        for value in chosen:
            for sign, op in (("=", "__eq__"), ("<=", "__le__")):
                compare = lambda v: v is not None and bool(getattr(v, op)(value))
                must = sum(compare(row[name]) for row in rows)
                query = f'select count(*) from dataset where "{name}" {sign} $1'
                by_duckdb = connection.execute(query, [native[value]]).fetchone()[0]
                by_arrow = dataset.count_rows(getattr(field, op)(pyarrow.scalar(native[value])))
                filters += 1
                if (by_duckdb, by_arrow) != (must, must):
                    sys.exit(f"{name} {sign} {value!r}: {by_duckdb}, {by_arrow}, not {must}")
        must = sum(row[name] is None for row in rows)
        query = f'select count(*) from dataset where "{name}" is null'
        if connection.execute(query).fetchone()[0] != must:
            sys.exit(f"{name} is null: not {must}")
    print(f"{len(rows)} rows, {filters} filters")


main(*sys.argv[1:])
