import json
from pathlib import Path

from usher.self_check import check_settings

SETTINGS = {
    "WebPubSubConnectionString__serviceUri": "https://demo.webpubsub.azure.com",
    "WebPubSubHub": "chat",
    "USHER_AUTH": "anonymous",
}


def test_valid_settings_give_the_facts_that_doctor_needs() -> None:
    assert check_settings(SETTINGS | {"USHER_LEAVE_TEXT": ""}) == {
        "problems": {},
        "hub": "chat",
        "service": "https://demo.webpubsub.azure.com",
        "auth": "anonymous",
        "callers": "every caller is a new guest",
        "rules": [
            {"caller": "any", "group": "lobby", "allow": ["join", "send", "roster"]},
            {"caller": "any", "group": "user-{userId}", "allow": ["join", "send", "roster"]},
        ],
        "announcesJoins": True,
        "announcesLeaves": False,
        "leaveGrace": 0,
    }


def test_presence_needs_no_texts() -> None:
    silent = {"USHER_JOIN_TEXT": "", "USHER_LEAVE_TEXT": ""}
    facts = check_settings(SETTINGS | silent | {"USHER_ANNOUNCEMENT_FORMAT": "presence"})
    assert (facts["announcesJoins"], facts["announcesLeaves"], facts["leaveGrace"]) == (
        True,
        True,
        3,
    )


def test_every_wrong_setting_is_named_without_its_value() -> None:
    keys = ["WebPubSubHub", "USHER_TOKEN_MINUTES", "USHER_ALLOWED_ORIGINS", "USHER_STATE_KEY"]
    facts = check_settings(SETTINGS | dict.fromkeys(keys, "some-value"))
    assert list(facts) == ["problems"]
    assert list(facts["problems"]) == keys
    assert "some-value" not in json.dumps(facts)


def test_a_wrong_policy_is_named_with_the_place_in_its_file(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"rules": [{"caller": "any", "group": "a", "allow": ["all"]}]}')
    facts = check_settings(SETTINGS | {"USHER_POLICY_FILE": str(policy)})
    assert list(facts["problems"]) == ["policy.json rules[0].allow"]


def test_wrong_settings_do_not_hide_a_wrong_policy() -> None:
    facts = check_settings(SETTINGS | {"USHER_AUTH": "none", "USHER_POLICY_FILE": "none.json"})
    assert list(facts["problems"]) == ["USHER_AUTH", "none.json"]
