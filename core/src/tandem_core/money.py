"""Money as integer minor units with an ISO 4217 code, and exact division of integers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

MAX_AMOUNT_MINOR = 10**12

# ISO 4217, active codes of money in circulation. Two decimals unless listed below.
_CODES = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN "
    "BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL "
    "GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF "
    "KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
    "MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD "
    "SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH "
    "UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG".split()
)
_NO_DECIMALS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
_THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())


def decimals(currency: str) -> int:
    """Return how many decimals the currency's major unit has (ISO 4217 exponent)."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def _exact_integer(value: Any) -> Any:
    """Take JSON integers, also as `7256.0`; refuse booleans, text and fractions."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("integer", "must be an integer")
    if isinstance(value, float):
        if not value.is_integer():
            raise PydanticCustomError("integer", "must be an integer")
        return int(value)
    return value


# Stands last in an Annotated, behind Field(ge=...): before it, the bounds would leave the schema.
EXACT_INTEGER = BeforeValidator(_exact_integer)


def _known_currency(value: str) -> str:
    if value not in _CODES:
        raise PydanticCustomError("currency", "must be an ISO 4217 currency code, such as EUR")
    return value


Currency = Annotated[
    str,
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]}),
]


class Money(BaseModel):
    """An amount in minor units (cents for EUR, yen for JPY)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Annotated[int, Field(ge=0, le=MAX_AMOUNT_MINOR), EXACT_INTEGER]
    currency: Currency

    def __str__(self) -> str:
        return f"{major_units(self.amount, self.currency)} {self.currency}"


def major_units(amount_minor: int, currency: str) -> str:
    """Render minor units as a decimal of the major unit: 1299 EUR -> "12.99"."""
    places = decimals(currency)
    whole, rest = divmod(abs(amount_minor), 10**places)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{whole}.{rest:0{places}d}" if places else f"{sign}{whole}"


def allocate(total: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Divide `total` in proportion to `weights` by largest remainder; the parts sum to it exactly.

    Ties go to the earlier part. Weights must not be negative; when all are zero, the first part
    takes everything, and with no parts at all `total` must be zero.
    """
    if not weights:
        if total:
            raise ValueError("cannot divide among no parts")
        return []
    whole = sum(weights)
    if not whole:
        return [total, *([0] * (len(weights) - 1))]
    shares = [Fraction(total) * weight / whole for weight in weights]
    parts = [share.numerator // share.denominator for share in shares]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - shares[index], index))
    for index in order[: total - sum(parts)]:
        parts[index] += 1
    return parts
