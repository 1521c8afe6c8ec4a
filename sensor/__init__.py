"""The node agent and the rule engine. Nothing below this package imports Django."""
