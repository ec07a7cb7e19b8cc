"""FastAPI behind Mangum, with the standard library's logging."""

import json
import logging

from fastapi import FastAPI, Request
from mangum import Mangum
from work import accumulate

from tandem_loyalty.contracts import Accumulate, LedgerEvent

logging.basicConfig(level="INFO", format="%(message)s")
logger = logging.getLogger("loyalty")
app = FastAPI()


@app.post("/v1/accounts/{account_id}/accumulate", status_code=201)
def accumulate_points(account_id: str, body: Accumulate, request: Request) -> LedgerEvent:
    claims = request.scope["aws.event"]["requestContext"]["authorizer"]
    made = accumulate(account_id, body, claims, request.headers)
    logger.info(json.dumps({"message": "request", "route": request.url.path, "status": 201}))
    return made


handler = Mangum(app, lifespan="off")
