"""The deployed Lambda functions, each with its execution environments: warm ones are used again,
new ones started while there are fewer than the function's bound."""

from __future__ import annotations

import json
import threading
from typing import Any

from tandem_local.execution import Configuration, ExecutionEnvironment, Outcome


class Function:
    """A function that can be invoked from any thread; callers beyond the bound wait."""

    def __init__(self, configuration: Configuration, endpoint: str, bound: int) -> None:
        self.configuration = configuration
        self._endpoint = endpoint
        self._slots = threading.BoundedSemaphore(bound)
        self._lock = threading.Lock()
        self._idle: list[ExecutionEnvironment] = []
        self._all: set[ExecutionEnvironment] = set()
        self._is_closed = False

    def warm_up(self) -> None:
        environment = self._take()
        environment.warm_up()
        self._give_back(environment)

    def invoke(self, event: Any) -> Outcome:
        """Run the handler with `event` (bytes are taken as JSON). Never raises for its failures."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        with self._slots:
            environment = self._take()
            try:
                return environment.invoke(payload)
            finally:
                self._give_back(environment)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            doomed = list(self._all)
        for environment in doomed:
            environment.close()

    def _take(self) -> ExecutionEnvironment:
        with self._lock:
            while self._idle:
                environment = self._idle.pop()
                if environment.is_alive:
                    return environment
                self._discard(environment)
            if self._is_closed:
                raise RuntimeError(f"{self.configuration.name} is being stopped")
            environment = ExecutionEnvironment(self.configuration, self._endpoint)
            self._all.add(environment)
            return environment

    def _give_back(self, environment: ExecutionEnvironment) -> None:
        with self._lock:
            if environment.is_alive and not self._is_closed:
                self._idle.append(environment)
            else:
                self._discard(environment)

    def _discard(self, environment: ExecutionEnvironment) -> None:
        environment.close()
        self._all.discard(environment)
