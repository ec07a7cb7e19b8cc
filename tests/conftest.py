"""What every suite shares: Hypothesis profiles, and a process that cannot reach a real cloud."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Nothing a developer has configured for AWS may leak into a test: credentials, regions, endpoints.
for name in [name for name in os.environ if name.startswith(("AWS_", "TANDEM_"))]:
    if name not in {"TANDEM_HYPOTHESIS", "TANDEM_SEEDS"}:
        del os.environ[name]
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="eu-central-1",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
)

# Examples are bounded by their number, not by the clock: a busy machine finds no failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", unhurried, max_examples=50)
# The same examples in every run: a red build is a change, not a discovery.
settings.register_profile(
    "ci", unhurried, max_examples=100, derandomize=True, database=None, print_blob=True
)
settings.register_profile(
    "campaign",
    unhurried,
    max_examples=int(os.environ.get("TANDEM_SEEDS", "2000")),
    print_blob=True,
)
settings.load_profile(os.environ.get("TANDEM_HYPOTHESIS", "ci" if os.environ.get("CI") else "dev"))
