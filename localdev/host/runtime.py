"""The Functions runtime in this process: indexes an app and calls its functions.

The only module that imports azure_functions_runtime. Azure calls the runtime over gRPC; this module
calls it directly. The runtime keeps its functions in module globals, so a process can load one app.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.bindings.meta import load_binding_registry
from azure_functions_runtime.utils import threadpool

from localdev.host.bindings import Answer, HttpRequest, Outcome
from localdev.host.errors import HostError
from localdev.host.http_answers import answer_text, check_answer, write_cookie

logger = logging.getLogger(__name__)

# Replacements for the gRPC message classes that indexing fills. ``out`` and ``inout`` are numbers
# of azure.functions.BindingDirection, ``undefined`` is a number of azure.functions.DataType.
PROTOS = SimpleNamespace(
    RpcFunctionMetadata=SimpleNamespace,
    RpcRetryOptions=SimpleNamespace,
    BindingInfo=type("BindingInfo", (SimpleNamespace,), {"undefined": 0, "out": 1, "inout": 2}),
)


@dataclass(frozen=True, slots=True)
class Function:
    """One indexed function; ``bindings`` are the declarations of its bindings."""

    name: str
    function_id: str
    bindings: tuple[Mapping[str, Any], ...] = field(repr=False)

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that starts the function, or an empty binding if it has none."""
        triggers = (each for each in self.bindings if each["type"].lower().endswith("trigger"))
        return next(triggers, {"type": "", "name": ""})

    @property
    def trigger_type(self) -> str:
        """The type of the trigger in lower case, because the host ignores its case."""
        return str(self.trigger["type"]).lower()


def load_functions(app_dir: Path) -> list[Function]:
    """Import and index the app of a folder; raises HostError with the app's error as its cause."""
    sys.path.insert(0, str(app_dir))
    handle_event.protos = PROTOS
    load_binding_registry()
    with _indexing_errors(app_dir):
        handle_event.load_function_metadata(str(app_dir), caller_info="localdev")
    if not handle_event._metadata_result:
        raise HostError(f"no functions found: {app_dir} has no function_app.py, or it is empty")
    threadpool.start_threadpool_executor()
    threadpool._threadpool_executor = ContextExecutor(threadpool._get_max_workers())
    return [_read_function(item) for item in handle_event._metadata_result]


def stop_threads() -> None:
    """Start no more functions in threads, without waiting for running functions."""
    threadpool._threadpool_executor.shutdown(wait=False, cancel_futures=True)


async def call_http(function: Function, request: HttpRequest) -> Answer:
    """Call an HTTP function; after an exception the response is 500 with an empty body.

    Source: azure-functions-host ExceptionMiddleware.cs.
    """
    ok, value = await _invoke(function, _http_datum(request))
    if not ok:
        return Answer(500)
    try:
        return _read_answer(value)
    except Exception:
        logger.exception("The answer of %s cannot be sent", function.name)
        return Answer(500)


async def call_event(function: Function, argument: str | bytes | None) -> Outcome:
    """Call a function with its trigger's text or bytes.

    A return value that cannot be sent is a failure.
    """
    kind = "bytes" if isinstance(argument, bytes) else "json"
    datum = None if argument is None else Datum(argument, kind)
    ok, value = await _invoke(function, datum)
    if not ok:
        return Outcome(failed=True)
    try:
        return Outcome(failed=False, value=_read_value(value))
    except Exception:
        logger.exception("The return value of %s cannot be sent", function.name)
        return Outcome(failed=True)


class ContextExecutor(ThreadPoolExecutor):
    """Runs synchronous functions in the context of their request, which their log records need."""

    def submit[**P, T](
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Schedule the call, as ThreadPoolExecutor does."""
        return super().submit(partial(copy_context().run, partial(function, *args, **kwargs)))


@contextmanager
def _indexing_errors(app_dir: Path) -> Iterator[None]:
    # HostError and the host's own lines repeat what the runtime logs while indexing.
    runtime_logger = logging.getLogger("azure.functions")
    level = runtime_logger.level
    runtime_logger.setLevel(logging.CRITICAL)
    try:
        yield
    except Exception as error:
        # The runtime replaces an ImportError by another one that also lists sys.path.
        cause = error.__context__ if isinstance(error, ImportError) else None
        cause = cause or error
        text = f"{type(cause).__name__}: {cause}"
        raise HostError(f"the app in {app_dir} cannot be indexed: {text}") from cause
    finally:
        runtime_logger.setLevel(level)


def _read_function(metadata: Any) -> Function:
    bindings = tuple(json.loads(binding) for binding in metadata.raw_bindings)
    return Function(metadata.name, metadata.function_id, bindings)


async def _invoke(function: Function, datum: Any) -> tuple[bool, Any]:
    # The runtime logs the traceback of a failure itself.
    ok, value, _outputs, _error, _traceback = await native_invocation.invocation_request_native(
        str(uuid4()), function.function_id, [(function.trigger["name"], datum)], {}
    )
    return ok, value


def _http_datum(request: HttpRequest) -> Any:
    members = {
        "method": Datum(request.method, "string"),
        "url": Datum(request.url, "string"),
        "headers": _string_datums(request.headers),
        "params": _string_datums(request.route_parameters),
        "query": _string_datums(request.query),
        "body": Datum(request.body, "bytes"),
    }
    return Datum(members, "http")


def _string_datums(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _read_answer(datum: Any) -> Answer:
    if datum.type == "string":
        return answer_text(datum.value)
    members = datum.value
    headers = [(name, value.value) for name, value in members["headers"].items()]
    cookies = (cookie for each in members["cookies"] or [] for cookie in each.values())
    headers += [("Set-Cookie", write_cookie(cookie)) for cookie in cookies]
    return check_answer(Answer(int(members["status_code"].value), headers, members["body"].value))


def _read_value(datum: Any) -> object:
    # datum_as_proto of the worker sends dicts and lists as JSON, so what is not JSON fails here.
    if datum is None or datum.type not in ("dict", "list"):
        return None if datum is None else datum.value
    return json.loads(json.dumps(datum.value))
