"""An emulator of Azure Web PubSub."""
