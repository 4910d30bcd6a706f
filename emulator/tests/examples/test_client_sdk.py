"""The client SDK: two members of a group, and a lost connection."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubDataType
from azure.messaging.webpubsubservice import WebPubSubServiceClient

from webpubsub_emulator import EmulatorFixture

ROLES = ["webpubsub.sendToGroup"]


class Member:
    """A client of the hub "chat" in the group "lobby" that keeps what it receives."""

    def __init__(self, webpubsub: EmulatorFixture, user_id: str) -> None:
        service = WebPubSubServiceClient.from_connection_string(webpubsub.connection_string, "chat")
        token = service.get_client_access_token(user_id=user_id, roles=ROLES, groups=["lobby"])
        # This client can miss that it is open, or an ack. Then it waits for these times.
        self.client = WebPubSubClient(token["url"], start_timeout=5, ack_timeout=2)
        self.received: list[str] = []
        self.client.subscribe(
            CallbackType.GROUP_MESSAGE, lambda message: self.received.append(message.data)
        )

    def send(self, text: str) -> None:
        self.client.send_to_group("lobby", text, WebPubSubDataType.TEXT)


@pytest.fixture
def members(webpubsub: EmulatorFixture) -> Iterator[tuple[Member, Member]]:
    ann, bob = Member(webpubsub, "ann"), Member(webpubsub, "bob")
    with ExitStack() as opened:
        for member in (ann, bob):
            opened.enter_context(member.client)
        yield ann, bob


def test_members_receive_each_other(
    webpubsub: EmulatorFixture, members: tuple[Member, Member]
) -> None:
    ann, bob = members
    ann.send("hello")
    webpubsub.wait_for(lambda: bob.received == ["hello"])
    (message,) = webpubsub.messages("chat")
    assert (message.from_user_id, {*message.user_ids}) == ("ann", {"ann", "bob"})


def test_a_lost_connection_is_recovered(
    webpubsub: EmulatorFixture, members: tuple[Member, Member]
) -> None:
    ann, bob = members
    (connection,) = [each for each in webpubsub.connections("chat") if each.user_id == "bob"]
    webpubsub.drop(connection.id)
    ann.send("are you there?")
    webpubsub.wait_for(lambda: bob.received == ["are you there?"])
