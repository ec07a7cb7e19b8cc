"""A function without a framework: boto3 and pydantic."""

from typing import Any

from work import accumulate

from tandem_loyalty.contracts import Accumulate


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in event["headers"].items()}
    made = accumulate(
        event["pathParameters"]["account_id"],
        Accumulate.model_validate_json(event["body"]),
        event["requestContext"]["authorizer"],
        headers,
    )
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json"},
        "body": made.model_dump_json(),
    }
