"""Tests of parameters.py."""

import pytest
from multidict import MultiDict

from webpubsub_emulator.operations import OPERATIONS
from webpubsub_emulator.parameters import Parameters, read_filter
from webpubsub_emulator.problems import RestError

OPERATIONS_BY_NAME = {operation.name: operation for operation in OPERATIONS}


@pytest.mark.parametrize(
    ("operation", "query", "parameters"),
    [
        ("SendToAll", "", Parameters()),
        ("SendToAll", "filter=", Parameters()),
        ("SendToAll", "messageTtlSeconds=0", Parameters()),
        ("SendToAll", "messageTtlSeconds=300", Parameters(ttl_seconds=300)),
        ("SendToAll", "excluded=a,b|excluded= c", Parameters(frozenset(["a,b", " c"]))),
        ("SendToUser", "excluded=a", Parameters()),
        ("SendToConnection", "excluded=a|filter=nonsense", Parameters()),
        ("CloseAllConnections", "reason=r|excluded=a|reason=s",
         Parameters(frozenset("a"), reason="r")),
        ("CloseConnection", "reason=r|excluded=a", Parameters(reason="r")),
        ("GenerateClientToken", "userId=u|role=r|role=s|group=g|minutesToExpire=2147483647",
         Parameters(user_id="u", roles=("r", "s"), groups=("g",), minutes_to_expire=2**31 - 1)),
        ("GenerateClientToken", "clientType=DEFAULT", Parameters()),
        ("ListConnectionsInGroup", "maxpagesize=1|top=2147483647|continuationToken=t",
         Parameters(page_size=1, top=2**31 - 1, continuation_token="t")),
        ("ListConnectionsInGroup", "maxpagesize=200", Parameters()),
        ("ListConnectionsInGroup", "", Parameters(page_size=200, top=None)),
        ("GrantPermission", "targetName=*", Parameters(target_name="*")),
        ("ConnectionExists", "top=0|filter=nonsense|targetName=", Parameters()),
    ],
)  # fmt: skip
def test_parameters_of_an_operation(operation: str, query: str, parameters: Parameters) -> None:
    """An operation reads its own parameters only; each `excluded` is one id, as written."""
    assert _read(operation, query) == parameters


@pytest.mark.parametrize(
    ("operation", "query", "status"),
    [
        *((f"SendTo{audience}", query, 400)
          for audience in ("All", "Group", "User", "Connection")
          for query in ("messageTtlSeconds=301", "messageTtlSeconds=-1", "messageTtlSeconds=x")),
        *((f"SendTo{audience}", "filter= ", 400) for audience in ("All", "Group", "User")),
        *((f"{verb}Permission", query, 400)
          for verb in ("Grant", "Revoke", "Check")
          for query in ("targetName=", "targetName= \t", "targetName=" + "x" * 1025)),
        ("ListConnectionsInGroup", "maxpagesize=0", 400),
        ("ListConnectionsInGroup", "maxpagesize=201", 400),
        ("ListConnectionsInGroup", "top=0", 400),
        ("ListConnectionsInGroup", "top=2147483648", 400),
        ("ListConnectionsInGroup", "top=1.0", 400),
        ("ListConnectionsInGroup", "continuationToken=", 400),
        ("ListConnectionsInGroup", "continuationToken=" + "x" * 2049, 400),
        ("GenerateClientToken", "minutesToExpire=0", 400),
        ("GenerateClientToken", "minutesToExpire=2147483648", 400),
        ("GenerateClientToken", "group= ", 400),
        ("GenerateClientToken", "clientType=other", 400),
        ("GenerateClientToken", "clientType=mqtt", 501),
        ("GenerateClientToken", "clientType=SocketIO", 501),
    ],
)  # fmt: skip
def test_mistakes_name_their_parameter(operation: str, query: str, status: int) -> None:
    """A value out of range is a 400 with the parameter as its target."""
    with pytest.raises(RestError) as caught:
        _read(operation, query)
    error = caught.value
    assert (error.status, error.target) == (
        status,
        query.split("=")[0] if status == 400 else "Request",
    )


def test_a_target_is_required() -> None:
    """Permissions are for one group, so a call without a group is wrong."""
    with pytest.raises(RestError, match="target name"):
        _read("CheckPermission", "")


@pytest.mark.parametrize("target", ["filter", "Filter"])
def test_filters_name_where_they_came_from(target: str) -> None:
    """As recorded, a filter in a body is called `Filter`, and one in a query `filter`."""
    with pytest.raises(RestError, match=r"Invalid syntax for 'x'") as caught:
        read_filter("x", target)
    assert caught.value.target == target
    assert read_filter("", target) is None
    assert read_filter("true", target) is not None


def _read(operation: str, query: str) -> Parameters:
    return OPERATIONS_BY_NAME[operation].read_parameters(_query(query))


def _query(text: str) -> MultiDict[str]:
    pairs = (pair.split("=", 1) for pair in text.split("|") if pair)
    return MultiDict((name, value) for name, value in pairs)
