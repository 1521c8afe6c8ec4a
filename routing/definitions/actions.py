"""Response actions, as people write them down."""

from collections.abc import Mapping
from typing import Any

from routing import actions, kinds
from routing.definitions.base import Definition, Facts
from routing.faults import Fault, check_condition
from routing.models import ResponseAction
from routing.shapes import ActionShape


class _Actions(Definition[ResponseAction, ActionShape]):
    model = ResponseAction
    shape = ActionShape

    def said(self, row: ResponseAction) -> ActionShape:
        kind = actions.kinds().get(row.kind)
        return ActionShape(
            name=row.name,
            kind=row.kind,
            mode=ResponseAction.Mode(row.mode),
            condition=row.condition,
            params=kinds.known(kind.Params, row.params) if kind else row.params,
            max_alert_age=row.max_alert_age,
            approval_ttl=row.approval_ttl,
            max_per_hour=row.max_per_hour,
        )

    def changed(self, facts: Facts, changes: Mapping[str, Any]) -> Facts:
        whole = super().changed(facts, changes)
        kind = actions.kinds().get(str(whole.get("kind")))
        return {**whole, "params": kinds.fitted(kind and kind.Params, whole.get("params", {}))}

    def columns(self, said: ActionShape, row: ResponseAction) -> dict[str, Any]:
        kind = actions.kinds().get(said.kind)
        if kind is None:
            raise Fault("kind", f"There is no kind of response action called {said.kind!r}.")
        if row.pk and row.kind != said.kind:
            raise Fault("kind", f"The response action is a {row.kind} and stays one; make another.")
        check_condition("condition", said.condition)
        try:
            params = kinds.filled(kind.Params, said.params)
            kind(params)
        except kinds.OptionError as error:
            raise Fault(f"params.{error.name}", str(error)) from None
        except (TypeError, ValueError) as error:
            raise Fault("params", str(error)) from None
        return {**dict(said), "params": params}

    def users(self, row: ResponseAction) -> list[str]:
        return [f"the route {route.name}" for route in row.routes.all()]

    def check_delete(self, row: ResponseAction) -> None:
        """What was done must stay explained."""
        if row.runs.exists():
            raise Fault("name", f"{row.name} has runs in the log; switch it off instead.")
        super().check_delete(row)


ACTIONS = _Actions()
