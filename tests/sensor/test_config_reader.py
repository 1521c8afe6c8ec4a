"""Reading the settings file and the environment."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sensor.config import Config, ConfigError, Secret
from sensor.config_reader import load


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "sensor.toml"
    file.write_text(text)
    return file


def test_a_file_sets_what_it_names_and_defaults_stay(tmp_path) -> None:
    config = load(written(tmp_path, '[actions]\nallow = ["kill_process"]\n[limits]\nrule_rate = 5\n'), {})
    assert config.actions.allow == ("kill_process",)
    assert config.limits.rule_rate == 5.0
    assert config.limits.rule_burst == 1000


def test_the_environment_wins_over_the_file(tmp_path) -> None:
    file = written(tmp_path, '[server]\nurl = "https://a"\n')
    environ = {
        "SENSOR_SERVER_URL": "https://b",
        "SENSOR_SPOOL_MAX_BYTES": "8388608",
        "SENSOR_ACTIONS_ALLOW": "kill_process, other",
    }
    config = load(file, environ)
    assert config.server.url == "https://b"
    assert config.spool.max_bytes == 8388608
    assert config.actions.allow == ("kill_process", "other")


def test_the_environment_names_the_file(tmp_path) -> None:
    file = written(tmp_path, '[node]\nhostname = "node-7"\n')
    assert load(None, {"SENSOR_CONFIG": str(file)}).node.hostname == "node-7"


def test_labels_have_a_name_and_a_value() -> None:
    node = load(None, {"SENSOR_NODE_LABELS": "cluster=prod, team = a=b"}).node
    assert node.named_labels() == {"cluster": "prod", "team": "a=b"}
    with pytest.raises(ConfigError, match=r"node\.labels has 'prod'; write it as name=value"):
        load(None, {"SENSOR_NODE_LABELS": "prod"})


def test_rules_files_may_be_the_word_pull(tmp_path) -> None:
    assert load(written(tmp_path, '[rules]\nfiles = "pull"\n'), {}).rules.files == ("pull",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[serve]\n", r"\[serve\]; did you mean server\?"),
        ("[server]\nurll = 'x'\n", r"server\.urll; did you mean url\?"),
        ("[server]\nurl = 5\n", r"server\.url is 5; use a text"),
        ("[server]\nurl = 'ftp://x'\n", r"use http://HOST"),
        ("[server]\nurl = 'https://user:pw@x'\n", r"put the token in server\.token_file"),
        ("[spool]\nmax_bytes = 1\n", r"use at least"),
        ("[spool]\nmax_bytes = true\n", r"use a whole number"),
        ("[limits]\nrule_rate = 'x'\n", r"use a number"),
        ("[limits]\nrule_burst = 1.5\n", r"use a whole number"),
        ("[actions]\nallow = [1]\n", r"use a list of texts"),
        ("[logs]\nlevel = 'loud'\n", r"use one of debug, info"),
        ("server = 1\n", r"write it as a section"),
        ("[server\n", r"is not TOML"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_to_write(tmp_path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load(written(tmp_path, text), {})


def test_a_password_in_the_url_is_not_repeated(tmp_path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(written(tmp_path, "[server]\nurl = 'https://user:hunter2@x'\n"), {})
    assert "hunter2" not in str(refusal.value)


def test_a_missing_file_that_was_named_is_an_error(tmp_path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml", {})


def test_a_wrong_number_in_the_environment_names_the_variable(tmp_path) -> None:
    with pytest.raises(ConfigError, match="SENSOR_LIMITS_RULE_RATE is 'many'"):
        load(written(tmp_path, ""), {"SENSOR_LIMITS_RULE_RATE": "many"})


def test_an_unknown_variable_of_a_known_section_is_an_error(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"rules\.file; did you mean files\?"):
        load(written(tmp_path, ""), {"SENSOR_RULES_FILE": "x"})


def test_what_kubernetes_says_about_a_service_is_not_a_setting(tmp_path) -> None:
    links = {
        "SENSOR_SERVER_SERVICE_HOST": "10.0.0.1",
        "SENSOR_SERVER_SERVICE_PORT_HTTP": "80",
        "SENSOR_SERVER_PORT": "tcp://10.0.0.1:80",
        "SENSOR_SERVER_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert load(written(tmp_path, ""), links).server.url == ""


ROOT = Path(__file__).parents[2]


def test_the_documentation_has_every_setting_with_its_default_and_no_other() -> None:
    page = (ROOT / "docs" / "sensor.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.*?) \|", page, re.MULTILINE))
    defaults = Config()
    settings = {
        f"{section.name}.{key.name}": getattr(getattr(defaults, section.name), key.name)
        for section in fields(defaults)
        for key in fields(getattr(defaults, section.name))
    }
    assert documented.keys() == settings.keys()
    for name, default in settings.items():
        if name != "node.hostname" and default and not isinstance(default, Secret):
            shown = (
                ",".join(default)
                if isinstance(default, tuple)
                else f"{default:g}"
                if name.endswith("rate")
                else default
            )
            assert documented[name] == f"`{shown}`"


def test_the_example_file_can_be_read() -> None:
    config = load(ROOT / "deploy" / "sensor.toml", {})
    assert config.server.url == "https://alerts.example.org"
    assert config.actions.allow == ()
