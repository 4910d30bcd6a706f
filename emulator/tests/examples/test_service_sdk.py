"""The synchronous service SDK: tokens, groups, and calls that are throttled."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.messaging.webpubsubservice import WebPubSubServiceClient

from webpubsub_emulator import EmulatorFixture


@pytest.fixture
def service(webpubsub: EmulatorFixture) -> WebPubSubServiceClient:
    return WebPubSubServiceClient.from_connection_string(
        webpubsub.connection_string, "chat", retry_total=0
    )


def test_a_message_to_a_group(webpubsub: EmulatorFixture, service: WebPubSubServiceClient) -> None:
    service.send_to_group("lobby", {"text": "hello"}, content_type="application/json")
    (message,) = webpubsub.messages("chat")
    assert (message.group, message.data, message.user_ids) == ("lobby", {"text": "hello"}, ())


def test_a_throttled_call(webpubsub: EmulatorFixture, service: WebPubSubServiceClient) -> None:
    with webpubsub.faults("rest-throttled"), pytest.raises(HttpResponseError) as raised:
        service.send_to_all("hello", content_type="text/plain")
    assert raised.value.status_code == 429
    assert webpubsub.messages("chat") == []
