"""Signing in and out, and the lock after wrong passwords."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

RIGHT = "correct horse battery staple"


@pytest.fixture
def dave(db: None) -> User:
    return User.objects.create_user("dave", password=RIGHT)


def sign_in(client: Client, password: str, **more: str):
    return client.post("/sign-in/", {"username": "dave", "password": password, **more})


def test_the_right_password_leads_to_where_one_wanted_to_go(client: Client, dave: User) -> None:
    assert sign_in(client, RIGHT, next="/runs/").url == "/runs/"
    assert client.get("/runs/").status_code == 200


def test_a_foreign_next_is_ignored(client: Client, dave: User) -> None:
    assert sign_in(client, RIGHT, next="https://evil.example/").url == "/"


def test_the_wrong_password_says_so_without_saying_which_part(client: Client, dave: User) -> None:
    answer = sign_in(client, "wrong")
    assert answer.status_code == 200
    assert "correct username and password" in answer.content.decode()


def test_five_wrong_passwords_lock_and_the_page_says_for_how_long(client: Client, dave: User) -> None:
    answers = [sign_in(client, "wrong") for _ in range(5)]
    assert answers[-1].status_code == 429
    assert "Try again in 15 minutes" in answers[-1].content.decode()
    assert sign_in(client, RIGHT).status_code == 429
    # Somebody else is not locked out with them.
    User.objects.create_user("frank", password=RIGHT)
    assert client.post("/sign-in/", {"username": "frank", "password": RIGHT}).status_code == 302


def test_a_part_asked_for_after_the_session_ended_reloads_the_page(client: Client, db: None) -> None:
    answer = client.get("/alerts/", HTTP_HX_REQUEST="true", follow=True)
    assert (answer["HX-Refresh"], answer.content) == ("true", b"")


def test_signing_out_takes_a_post(as_user, carol) -> None:
    client = as_user(carol)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").url == "/sign-in/"
    assert client.get("/").status_code == 302
