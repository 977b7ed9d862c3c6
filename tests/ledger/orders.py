"""A clock that a test moves, and orders to put into the books."""

from alpenglow.ledger.books import MICRO, Order
from alpenglow.ledger.ledger import Ledger


class Time:
    """A clock that a test moves."""

    now = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC, the beginning of a minute

    def __call__(self) -> float:
        return self.now


def order(ledger: Ledger, account: str, neurons: float = 10, model: str = "a-model") -> Order:
    """What a new token of that account asks for; the account is made if it is missing."""
    known = {known.name: known.id for known in ledger.access.accounts()}
    account_id = known.get(account) or ledger.access.create_account(account).id
    token, _ = ledger.access.create_token("", [account_id])
    return Order(account_id, token.id, model, round(neurons * MICRO), 1, 1024 * 768, 512 * 512)
