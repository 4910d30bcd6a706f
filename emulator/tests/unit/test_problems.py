"""Tests of problems.py."""

import json

from webpubsub_emulator.problems import (
    bad_request,
    conflict,
    error_response,
    method_not_allowed,
    not_found,
    not_implemented,
    unauthorized,
    unsupported_media_type,
)


def test_not_found_has_the_recorded_form() -> None:
    """404 has five keys, and its code is also in a header."""
    response = error_response(not_found("Error.Connection.NotExisted", "Connection", "x"))
    assert (response.status, response.headers["x-ms-error-code"]) == (
        404,
        "Error.Connection.NotExisted",
    )
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(response.text or "") == {
        "code": "Error.Connection.NotExisted",
        "message": "Connection `x` is not found.",
        "target": "Connection",
        "details": None,
        "innererror": None,
    }


def test_bad_request_has_the_recorded_form() -> None:
    """400 is a problem document that names the parameter twice."""
    response = error_response(bad_request("wrong", "top"))
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert response.headers["x-ms-error-code"] == "Error.BadRequest"
    assert json.loads(response.text or "") == {
        "code": "Error.BadRequest",
        "message": "wrong",
        "target": "top",
        "errors": {"top": ["wrong"]},
        "type": None,
        "title": "One or more validation errors occurred.",
        "status": 400,
        "detail": "wrong",
        "instance": None,
        "extensions": {},
    }


def test_not_implemented_says_what() -> None:
    response = error_response(not_implemented("The operation X"))
    assert response.status == 501
    message = json.loads(response.text or "")["message"]
    assert message == "The operation X is not supported by the emulator yet."


def test_bodies_that_are_empty() -> None:
    """401 and 415 have only their code."""
    responses = [error_response(error) for error in (unauthorized(), unsupported_media_type())]
    assert [(response.status, response.body) for response in responses] == [
        (401, None),
        (415, None),
    ]
    assert all("x-ms-error-code" in response.headers for response in responses)


def test_other_methods_are_named() -> None:
    """405 has no body, and a header with the methods of the path."""
    response = error_response(method_not_allowed(["HEAD", "PUT"]))
    assert (response.status, response.headers["Allow"]) == (405, "HEAD, PUT")
    assert response.headers["x-ms-error-code"] == "Error.MethodNotAllowed"


def test_conflict_is_no_validation_error() -> None:
    """409 has the keys of a problem document, without errors in it."""
    response = error_response(conflict("too many"))
    fields = json.loads(response.text or "")
    assert (response.status, fields["code"]) == (409, "Error.Connection.Conflict")
    assert (fields["title"], fields["errors"]) == ("Conflict", {})
