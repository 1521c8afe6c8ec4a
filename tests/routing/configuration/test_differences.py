from routing.configuration import Change, lines_of

TABLE = {"name": "teams", "text": "a,b\n1,2\n3,4\n", "comment": ""}


def test_a_change_shows_the_lines_that_come_and_go() -> None:
    change = Change("lookups", "teams", TABLE, {**TABLE, "text": "a,b\n1,5\n3,4\n", "comment": "new"})
    assert list(lines_of(change)) == ["~ lookup teams", "    -   1,2", "    +   1,5", "    + comment: new"]


def test_what_is_added_is_shown_and_what_is_deleted_is_named() -> None:
    assert list(lines_of(Change("lookups", "teams", None, TABLE)))[:2] == ["+ lookup teams", "    + name: teams"]
    assert list(lines_of(Change("lookups", "teams", TABLE, None))) == ["- lookup teams"]


def test_a_reference_to_a_secret_is_shown() -> None:
    sink = {"name": "s", "kind": "slack", "options": {}, "secrets": {"bot_token": {"stored": True}}}
    change = Change("sinks", "s", sink, {**sink, "secrets": {"bot_token": {"env": "BOT"}}})
    assert list(lines_of(change))[1:] == ["    -   bot_token: {stored: true}", "    +   bot_token: {env: BOT}"]


def test_a_name_cannot_command_the_terminal() -> None:
    lines = list(lines_of(Change("lookups", "\x1b[2J", None, {**TABLE, "name": "\x1b[2J", "text": "a\n\x1b[2J"})))
    assert not [line for line in lines if "\x1b" in line]
