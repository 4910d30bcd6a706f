"""How many clients a Web PubSub resource accepts, by its units."""

FREE = "free"
# azure-subscription-service-limits, "Azure Web PubSub limits".
FREE_CONNECTIONS = 20
UNIT_CONNECTIONS = 1_000
UNITS_MAX = 1_000  # of a Premium_P2 resource


def connection_limit(units: str) -> int:
    """Return the connections of the Free tier ("free"), or of 1 to 1,000 units.

    Raises ValueError for another text.
    """
    if units.lower() == FREE:
        return FREE_CONNECTIONS
    is_number = units.isascii() and units.isdigit() and len(units) <= 4
    if not is_number or not 1 <= int(units) <= UNITS_MAX:
        raise ValueError(f"{units!r} is neither {FREE} nor a number from 1 to {UNITS_MAX}.")
    return int(units) * UNIT_CONNECTIONS
