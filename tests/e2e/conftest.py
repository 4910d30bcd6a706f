from collections.abc import Iterator

import pytest

from tests.e2e.processes import Running, run

UP = ["localdev", "up", "--json", "--emulator-port", "0", "--host-port", "0"]


@pytest.fixture(scope="session", params=["key", "identity"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Run the whole stack, once with the access key and once with a managed identity."""
    module = UP if request.param == "key" else ["tests.e2e.identity_stack"]
    with run(module, tmp_path_factory.mktemp("stack") / "log") as running:
        yield running


@pytest.fixture(scope="session")
def key_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack with the access key only, for tests in which the credential is irrelevant."""
    with run(UP, tmp_path_factory.mktemp("key-stack") / "log") as running:
        yield running
