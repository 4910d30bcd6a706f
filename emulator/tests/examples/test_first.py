from azure.messaging.webpubsubservice import WebPubSubServiceClient


def test_hello(webpubsub):
    service = WebPubSubServiceClient.from_connection_string(webpubsub.connection_string, "chat")
    service.send_to_all("hello", content_type="text/plain")
    assert [message.data for message in webpubsub.messages("chat")] == ["hello"]
