"""Function apps that Usher is compared with. The runtime loads them; nothing imports them."""
