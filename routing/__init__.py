"""Stores alerts, routes them to sinks and runs response actions."""
