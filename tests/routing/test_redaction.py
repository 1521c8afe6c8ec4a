from routing.redaction import redact


def test_every_form_of_a_secret_is_starred() -> None:
    url = "https://hooks.example/services/T0/B0/abcdefghijklmnopqrstuvwx?key=verysecretvalue"
    shown = (
        f"{url} /services/T0/B0/abcdefghijklmnopqrstuvwx abcdefghijklmnopqrstuvwx key=verysecretvalue "
        'verysecretvalue pass%20word%21 "pass word!" line-two-of-it'
    )
    starred = redact(shown, [url, "pass word!", "line-one-of-it\nline-two-of-it", ""])
    for part in ("abcdefgh", "verysecret", "pass", "line-two"):
        assert part not in starred


def test_whom_an_address_signs_in_as_is_starred_as_it_travels() -> None:
    for url, told in (
        ("https://me:pass%21word@hooks.example/", "Basic bWU6cGFzcyF3b3Jk and me:pass%21word"),
        ("https://only-a-token@hooks.example/", "Basic b25seS1hLXRva2VuOg== and only-a-token"),
    ):
        assert redact(told, [url]) in ("Basic *** and me:***", "Basic *** and ***")


def test_a_short_secret_does_not_star_the_whole_text() -> None:
    assert redact("a sink of a kind", ["a", "sink"]) == "a sink of a kind"
