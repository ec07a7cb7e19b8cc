"""Powertools as its documentation has it: resolver with validation, a log line, a metric."""

from typing import Annotated, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.metrics import MetricUnit
from work import accumulate

from tandem_loyalty.contracts import Accumulate, LedgerEvent

app = APIGatewayRestResolver(enable_validation=True)
logger = Logger(service="loyalty", level="INFO", utc=True)
metrics = Metrics(namespace="Tandem", service="loyalty")


@app.post("/v1/accounts/<account_id>/accumulate")
def accumulate_points(
    account_id: str, body: Annotated[Accumulate, Body()]
) -> tuple[LedgerEvent, int]:
    event = app.current_event
    claims = event.request_context.authorizer.raw_event
    made = accumulate(account_id, body, claims, event.headers)
    metrics.add_metric(name="accumulated", unit=MetricUnit.Count, value=1)
    logger.info("request", extra={"route": event.path, "status": 201})
    return made, 201


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
