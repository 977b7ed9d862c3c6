"""The tree of our errors. Raise anywhere; `api/envelope.py` is the only file that turns one into a status and a code.

AlpenglowError
├── BadRequest                  the caller can mend it
│   ├── InvalidInput            a field is missing or out of range
│   ├── InvalidImage            a reference is not a picture that we read
│   ├── RequestTooLarge         a body, a part or a picture over its limit
│   └── UnknownModel            no such row in the catalogue
├── Refused                     the caller may not ask
│   ├── MissingCredentials      a token is needed and none was sent
│   ├── MalformedCredentials    the Authorization header is not `Bearer <token>`
│   ├── WrongCredentials        the token is not ours
│   └── ForeignOrigin           a web page of another site asks
├── Overloaded                  the queue is full: try again later
├── RequestTimeout              the answer was not ready within the time that a request may take
├── EngineFailure               a forward or a decode failed; the engine goes on
├── EngineClosed                the engine is stopping or has not started
├── WeightsError                a checkpoint is missing, damaged or of another shape
└── SettingsError               a setting is out of range or contradicts another
"""


class AlpenglowError(Exception):
    """Root of everything that we raise on purpose. `str(error)` is a sentence for the person who asked."""


class BadRequest(AlpenglowError):
    """The request itself is at fault."""


class InvalidInput(BadRequest):
    """A field is missing, of the wrong type or out of range. The text is the validator's: `'/width' must be >= 256`."""


class InvalidImage(BadRequest):
    """A reference cannot be read: empty, not an image, cut short, or a format that we do not read."""


class RequestTooLarge(BadRequest):
    """A body, a part or the pixels of a picture exceed their limit."""


class UnknownModel(BadRequest):
    """The model named is not in the catalogue."""

    def __init__(self, model: str) -> None:
        super().__init__(f"No such model {model} or task")
        self.model = model


class Refused(AlpenglowError):
    """The caller is not allowed to ask."""


class MissingCredentials(Refused):
    """A token is needed and none was sent."""


class MalformedCredentials(Refused):
    """The Authorization header is not of the form `Bearer <token>`."""


class WrongCredentials(Refused):
    """The token sent is not the one that is set."""


class ForeignOrigin(Refused):
    """A browser sent this for a page of another site, and no token or CORS setting vouches for it."""


class Overloaded(AlpenglowError):
    """The engine holds as much work as it may; nothing was accepted."""


class RequestTimeout(AlpenglowError):
    """Upload, queue and computation together took longer than a request may; the work was cancelled."""


class EngineFailure(AlpenglowError):
    """The computation of this request failed. Other requests are not affected."""


class EngineClosed(AlpenglowError):
    """The engine no longer (or does not yet) accept work."""


class WeightsError(AlpenglowError):
    """A checkpoint cannot be used. The text names the file and what is missing, unexpected or of another shape."""


class SettingsError(AlpenglowError):
    """A setting cannot be used. The text has a line for each bad value, named as the environment variable."""
