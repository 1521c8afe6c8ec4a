"""Measurements. Each `bench_*.py` has `run()`, which returns figures as (name, value, unit, compared with)."""
