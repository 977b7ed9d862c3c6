"""Requests made up from the OpenAPI document: whatever it allows, and what it does not, no answer is a 500."""

import schemathesis
from hypothesis import HealthCheck, settings
from liveserver import PaintingEngine
from schemathesis.checks import not_a_server_error

from alpenglow.api.app import create_app
from alpenglow.settings import Settings

schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(PaintingEngine(), Settings.load()))


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_is_a_server_error(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=[not_a_server_error])
