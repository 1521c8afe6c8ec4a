"""How people write down what they configure: in the API, in files of `manage.py apply`, and as versions of routes.

What is here is about form alone: which members there are and of which type. Whether it can be so (a condition that can
be read, a name that is there) is for the services. Unknown members are errors, for they are mostly misspelt.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_serializer,
    model_validator,
)

from routing import storable
from routing.faults import Fault
from routing.models import ResponseAction

YEARS = (1970, 2261)
"""As for alerts: what nanoseconds in 64 bits can say."""


MOST_NUMBER = 2**31 - 1
"""What a whole number's column keeps."""


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("U+0000 cannot be stored")
    return value


def _name(value: str) -> str:
    if not value.strip():
        raise ValueError("a name is needed")
    return _text(value)


def _moment(value: datetime) -> datetime:
    if not YEARS[0] < value.year < YEARS[1]:
        raise ValueError(f"a time is in the years between {YEARS[0]} and {YEARS[1]}")
    return value.astimezone(UTC)


Text = Annotated[str, AfterValidator(_text)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_name)]
Comment = Annotated[str, Field(max_length=255), AfterValidator(_text)]
Template = Annotated[str, Field(max_length=16 * 1024), AfterValidator(_text)]
Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
Json = Annotated[Any, AfterValidator(storable.plain)]


class Shape(BaseModel):
    """Members and types of one thing. Numbers may stand where texts are expected, as YAML writes them."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class StepShape(Shape):
    """Whom a route tells, too, after so many seconds without an acknowledgement."""

    after: int
    sinks: list[Text]


class RouteShape(Shape):
    """A route. What is null it has from the route above it, or the product's own settings at the top."""

    name: Name
    parent: Text | None = Field(None, description="The name of the route above it.")
    position: int | None = Field(None, description="Siblings are walked in this order; null goes to the end.")
    condition: Text = Field("", description="In the rule language, over alerts; empty matches every alert.")
    continues: bool = Field(False, description="Go on with the next route after a match.")
    enabled: bool = True
    dry_run: bool = Field(False, description="Plan everything and tell nobody.")
    group_by: list[Text] | None = Field(None, description='Fields of alerts, or `["..."]` for each alert alone.')
    group_wait: int | None = Field(None, description="Seconds, as all times.")
    group_interval: int | None = None
    repeat_interval: int | None = None
    resolve_after: int | None = None
    sinks: list[Text] = Field(default_factory=list, description="Names.")
    actions: list[Text] = Field(default_factory=list, description="Names of response actions.")
    mute_in: list[Text] = Field(default_factory=list, description="Names of time intervals.")
    active_in: list[Text] = Field(default_factory=list, description="Names of time intervals.")
    escalation: list[StepShape] = Field(default_factory=list)


class BranchShape(RouteShape):
    """A route with those beneath it; their place in the list is their position."""

    routes: "list[BranchShape]" = Field(default_factory=list)


class SilenceShape(Shape):
    """Do not tell what matches, until."""

    condition: Text
    comment: Annotated[str, Field(max_length=500), AfterValidator(_text)] = ""
    starts_at: Moment | None = Field(None, description="Null: at once.")
    ends_at: Moment


class IntervalShape(Shape):
    """Times of the week, the month and the year, by a name."""

    name: Name
    spec: list[dict[str, Json]] = Field(description="As Alertmanager writes `time_intervals`.")
    comment: Comment = ""


class WindowShape(Shape):
    """Do not tell what matches while work is done: once, or whenever an interval holds."""

    name: Name
    condition: Text
    starts_at: Moment | None = Field(None, description="Null: since ever.")
    ends_at: Moment | None = Field(None, description="Null: for ever, in an interval.")
    interval: Text | None = Field(None, description="The name of a time interval.")
    comment: Text = ""
    enabled: bool = True


class InhibitionShape(Shape):
    """Do not tell what `target` matches while alerts of `source` fire that are equal in some fields."""

    name: Name
    source: Text
    target: Text
    equal: list[Text] = Field(default_factory=list, description="Fields of alerts.")
    enabled: bool = True


class LookupShape(Shape):
    """A table that adds to alerts what sensors do not know."""

    name: Annotated[str, Field(max_length=50), AfterValidator(_text)]
    text: Text = Field(description="CSV. The first line names a field of alerts and then the columns.")
    comment: Comment = ""


class SecretShape(Shape):
    """Where a secret is kept: in a variable of the server's environment, in a file, or in the database."""

    env: Annotated[str | None, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] = Field(None, description="A variable.")
    file: Annotated[str | None, Field(pattern="^/")] = Field(None, description="An absolute path.")
    stored: Literal[True] | None = Field(None, description="It is in the database, is never shown, and stays.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.said()) != 1:
            raise ValueError("a secret is kept in one place; write {env: NAME} or {file: PATH}")
        return self

    @model_serializer
    def said(self) -> dict[str, str | bool]:
        """The one place."""
        places = {"env": self.env, "file": self.file, "stored": self.stored}
        return {name: place for name, place in places.items() if place is not None}


def _form_of_secret(value: object) -> str:
    return "reference" if isinstance(value, Mapping | SecretShape) else "text"


SecretValue = Annotated[
    Annotated[Text, Tag("text")] | Annotated[SecretShape, Tag("reference")], Discriminator(_form_of_secret)
]


class SinkShape(Shape):
    """A destination of some kind."""

    name: Name
    kind: Text
    enabled: bool = Field(True, description="A sink that is not enabled keeps what it is owed.")
    most_per_minute: Annotated[int, Field(ge=1, le=MOST_NUMBER)] | None = Field(
        None, description="Messages; null is what the kind says."
    )
    title_template: Template = Field("", description="Jinja; empty: the usual title.")
    body_template: Template = Field("", description="For a webhook the whole JSON, for e-mail the whole HTML.")
    options: dict[str, Json] = Field(default_factory=dict, description="The kind's own, without the secret ones.")
    secrets: dict[str, SecretValue | None] = Field(
        default_factory=dict, description="The kind's secret options. One that is not named stays; null forgets it."
    )


class ActionShape(Shape):
    """A response action of some kind."""

    name: Name
    kind: Text
    mode: ResponseAction.Mode = ResponseAction.Mode.DRY_RUN
    condition: Text = Field("", description="Narrows what its routes match.")
    params: dict[str, Json] = Field(default_factory=dict, description="The kind's own options.")
    max_alert_age: int = Field(300, ge=1, le=86_400, description="Seconds.")
    approval_ttl: int = Field(900, ge=1, le=86_400, description="Seconds.")
    max_per_hour: int = Field(20, ge=0, le=100_000)


Shaped = TypeVar("Shaped", bound=Shape)


def shaped(shape: type[Shaped], facts: Mapping[str, Any]) -> Shaped:
    """What some facts say, in form. Raises Fault for the first thing that is not as it must be."""
    try:
        return shape.model_validate(facts)
    except ValidationError as error:
        raise fault_of(error) from None


def fault_of(error: ValidationError) -> Fault:
    """The first thing that is wrong, as the services say it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return Fault(".".join(map(str, first["loc"])), f"{said(first)}.")


def said(wrong: Mapping[str, Any]) -> str:
    """One thing that is wrong, in words."""
    if wrong["type"] == "extra_forbidden":
        return "There is no such member"
    words = str(wrong["msg"]).removeprefix("Value error, ")
    return words[:1].upper() + words[1:]


def facts(shape: Shape) -> dict[str, Any]:
    """What it says, as plain JSON."""
    return shape.model_dump(mode="json")
