"""The tree of our errors. Raise anywhere; `api/envelope.py` is the only file that turns one into a status and a code.

AlpenglowError
├── BadRequest                  the caller can fix it
│   ├── InvalidInput            a field is missing or out of range
│   ├── InvalidImageType         an image that is neither bytes nor text
│   ├── InvalidImage            a reference is not a picture that we read
│   ├── IncompleteRequest       a header that the request cannot do without is missing
│   ├── RequestTooLarge         a body, a part or a picture over its limit
│   ├── UnknownModel            no such row in the catalogue
│   └── LoraUnsupported         a fine-tune is asked for
├── Refused                     the caller may not ask
│   ├── MissingCredentials      a token is needed and none was sent
│   ├── MalformedCredentials    the Authorization header is not `Bearer <token>`
│   ├── WrongCredentials        the token is not ours
│   ├── UnknownKey              the key, or the e-mail address sent with it, is not ours
│   ├── ForeignAccount          the token may not ask for the account in the path
│   └── ForeignOrigin           a web page of another site asks
├── Limited                     the account has used up what it may for now
│   ├── AllocationSpent         neurons of the day
│   └── RateLimited             requests of the minute
├── Overloaded                  the queue is full: try again later
├── RequestTimeout              the answer was not ready within the time that a request may take
├── EngineFailure               a forward or a decode failed; the engine goes on
├── EngineClosed                the engine is stopping or has not started
│   └── EngineStopped           the engine failed, and will not come back by itself
├── LedgerError                 the ledger cannot be opened, or does not hold what was asked for
├── WeightsError                a checkpoint is missing, damaged or of another shape
└── SettingsError               a setting is out of range or contradicts another
"""


class AlpenglowError(Exception):
    """Root of everything that we raise on purpose. `str(error)` is a sentence for the person who asked."""


class BadRequest(AlpenglowError):
    """The request itself is at fault."""


class InvalidInput(BadRequest):
    """A field is missing, of the wrong type or out of range. The text is the validator's: `'/width' must be >= 256`."""


class InvalidImageType(BadRequest):
    """An image in JSON is no text that could be base64. `kind` is its type as JavaScript names it."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"Invalid data type for base64 input: {kind}")


class InvalidImage(BadRequest):
    """A reference cannot be read: empty, not an image, cut short, or a format that we do not read."""


class IncompleteRequest(BadRequest):
    """A header that the request cannot do without is missing. The text names it."""


class RequestTooLarge(BadRequest):
    """A body, a part or the pixels of a picture exceed their limit."""


class UnknownModel(BadRequest):
    """The model named is not in the catalogue."""

    def __init__(self, model: str) -> None:
        super().__init__(f"No such model {model} or task")
        self.model = model


class LoraUnsupported(BadRequest):
    """A fine-tune is asked for by name; there is none, and without it the picture would be another one."""

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model} does not support LoRa inference")


class Refused(AlpenglowError):
    """The caller is not allowed to ask."""


class MissingCredentials(Refused):
    """A token is needed and none was sent."""


class MalformedCredentials(Refused):
    """The Authorization header is not of the form `Bearer <token>`."""


class WrongCredentials(Refused):
    """The token sent is not the one that is set."""


class UnknownKey(Refused):
    """The key, or the e-mail address that came with it, is not the one that is set."""


class ForeignAccount(Refused):
    """The token is good, but not for the account in the path."""


class ForeignOrigin(Refused):
    """A browser sent this for a page of another site, and no token or CORS setting vouches for it."""


class Limited(AlpenglowError):
    """The account has used up what it may for now; nothing was computed, nothing is billed."""


class AllocationSpent(Limited):
    """What is left of the day's allocation does not pay for this request. `neurons` is the whole allocation."""

    def __init__(self, neurons: int) -> None:
        super().__init__(f"you have used up your daily free allocation of {neurons:,} neurons, it renews at 00:00 UTC")


class RateLimited(Limited):
    """The account has begun as many requests in this minute as it may."""

    def __init__(self, per_minute: int) -> None:
        super().__init__(f"rate limiting: inference request per min rate reached ({per_minute} a minute)")


class Overloaded(AlpenglowError):
    """The engine holds as much work as it may; nothing was accepted."""


class RequestTimeout(AlpenglowError):
    """Upload, queue and computation together took longer than a request may; the work was cancelled."""


class EngineFailure(AlpenglowError):
    """The computation of this request failed. Other requests are not affected."""


class EngineClosed(AlpenglowError):
    """The engine no longer (or does not yet) accept work."""


class EngineStopped(EngineClosed):
    """The engine failed, while loading or later; waiting does not help, the server's log does."""


class LedgerError(AlpenglowError):
    """The ledger cannot be opened, or holds no such account or token, or one already."""


class WeightsError(AlpenglowError):
    """A checkpoint cannot be used. The text names the file and what is missing, unexpected or of another shape."""


class SettingsError(AlpenglowError):
    """A setting cannot be used. The text has a line for each bad value, named as the environment variable."""
