"""Azure Web PubSub: tokens, REST calls and health."""
