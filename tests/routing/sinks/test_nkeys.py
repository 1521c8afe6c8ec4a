import base64

import pytest

from routing.sinks.nkeys import credentials, key

# Made by the nkeys package 0.2.1, from the bytes 0 to 31.
SEED = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"
PUBLIC = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
SIGNED = "+HTq4d6DDHVNb8MsTRAZtSIa0vXA/yuZblwTA7JT5wYzmKBxJ2wpYfjHh7hcptZlidbVw/6ZLyubjm/yDk+OCQ=="
FILE = f"""-----BEGIN NATS USER JWT-----
eyJ0.eyJq.c2ln
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
{SEED}
------END USER NKEY SEED------
"""


def test_a_seed_gives_the_public_key_and_signatures_of_the_reference() -> None:
    found = key(f" {SEED}\n")
    assert found.public == PUBLIC
    assert base64.urlsafe_b64decode(found.signed("nonce") + "==") == base64.b64decode(SIGNED)


@pytest.mark.parametrize(
    "seed",
    [
        "",
        "SU",
        SEED[:-1],
        SEED[:-1] + "A",
        SEED.lower(),
        PUBLIC,
        "SUÄ" + SEED[3:],
        # An account's.
        "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI",
    ],
)
def test_what_is_no_users_seed_is_refused_without_being_said(seed: str) -> None:
    with pytest.raises(ValueError, match="The NKey seed is not") as error:
        key(seed)
    assert not seed[2:] or seed[2:] not in str(error.value)


def test_a_credentials_file_holds_a_token_and_a_key() -> None:
    token, found = credentials(FILE.replace("\n", "\r\n"))
    assert (token, found.public) == ("eyJ0.eyJq.c2ln", PUBLIC)


@pytest.mark.parametrize("text", ["", SEED, FILE.partition("\n\n")[0], FILE.replace("END", "EN")])
def test_what_is_no_credentials_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a NATS"):
        credentials(text)
