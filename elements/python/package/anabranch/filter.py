"""The class that filters are made of, and its typed parameters."""

import typing
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional

from .frame import FORMATS, Frame


#: The engine keeps 64 frames in shared memory; two more than a batch are needed.
MOST_BATCH = 62


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of a parameter: `level: Annotated[int, Range(0, 255)] = 45`."""

    min: Optional[float] = None
    max: Optional[float] = None


class ParameterError(Exception):
    """A parameter that cannot be, or a value that it cannot have."""


class Filter:
    """Subclass it, annotate parameters, and write `process`."""

    #: What `frame.image` is: RGB, BGR, GRAY, RGBA, BGRA.
    format = "RGB"
    #: The longer side of `frame.image` in pixels; 0 is the stream's own size.
    size = 0
    #: Looks per second of video, at most; 0 is as many as it can do.
    rate = 0.0
    #: How many frames `process_batch` gets at a time, at most 62.
    batch = 1

    def setup(self) -> None:
        """Called once, with all parameters set, before the first frame."""

    def changed(self, name: str) -> None:
        """Called after a parameter has changed while the filter runs."""

    def process(self, frame: Frame) -> Optional[Iterable[Any]]:
        """Looks at a picture; yields Detection, Event, Scalar, or an array that is the changed picture."""
        raise NotImplementedError(f"{type(self).__name__} has no method process(self, frame)")


@dataclass
class Parameter:
    """One parameter of a filter."""

    name: str
    type: str
    default: Any
    min: Optional[float] = None
    max: Optional[float] = None
    values: Optional[List[str]] = None
    summary: str = ""

    def to_json(self) -> Dict[str, Any]:
        """As `anabranch show --python` prints it."""
        return {key: value for key, value in vars(self).items() if value is not None and value != ""}

    def takes(self) -> str:
        """What values it takes, for a sentence."""
        if self.values is not None:
            return "one of " + ", ".join(self.values)
        words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}[self.type]
        if self.min is not None and self.max is not None:
            return f"{words} from {self.min:g} to {self.max:g}"
        if self.min is not None:
            return f"{words}, at least {self.min:g}"
        return words if self.max is None else f"{words}, at most {self.max:g}"

    def accept(self, value: Any) -> Any:
        """The value in the parameter's type. Raises ParameterError, which names the parameter and what it takes."""
        given, fits = value, True
        if self.values is not None:
            fits = value in self.values
        elif self.type == "bool":
            fits = isinstance(value, bool)
        elif self.type == "str":
            fits = isinstance(value, str)
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            fits = False
        elif self.type == "int" and value != int(value):
            fits = False
        else:
            value = int(value) if self.type == "int" else float(value)
            fits = (self.min is None or value >= self.min) and (self.max is None or value <= self.max)
        if not fits:
            raise ParameterError(f"the parameter '{self.name}' takes {self.takes()}, not {given!r}")
        return value


_TYPES = {int: "int", float: "float", bool: "bool", str: "str"}


def parameters(cls: type) -> Dict[str, Parameter]:
    """The parameters that a filter's annotations declare. Raises ParameterError."""
    found = {}
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        if name.startswith("_") or typing.get_origin(hint) is typing.ClassVar:
            continue
        found[name] = _parameter(cls, name, hint)
    return found


def _parameter(cls: type, name: str, hint: Any) -> Parameter:
    extras = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
    summary = " ".join(extra for extra in extras if isinstance(extra, str))
    bounds = next((extra for extra in extras if isinstance(extra, Range)), Range())
    if not hasattr(cls, name):
        raise ParameterError(f"the parameter '{name}' has no default: write {name}: {getattr(hint, '__name__', hint)} = ...")
    default = getattr(cls, name)
    if typing.get_origin(hint) is typing.Literal:
        values = list(typing.get_args(hint))
        if not all(isinstance(value, str) for value in values):
            raise ParameterError(f"the words of the parameter '{name}' must all be texts")
        parameter = Parameter(name, "enum", default, values=values, summary=summary)
    elif hint in _TYPES:
        parameter = Parameter(name, _TYPES[hint], default, bounds.min, bounds.max, summary=summary)
    else:
        raise ParameterError(
            f"the parameter '{name}' is annotated with {hint}; a parameter is int, float, bool, str or Literal of texts "
            f"(an attribute that is no parameter has no annotation, or ClassVar, or a name that begins with _)"
        )
    parameter.default = parameter.accept(default)
    return parameter


def make(cls: type, values: Dict[str, Any]) -> Filter:
    """A filter with these values of its parameters, set up. Raises ParameterError."""
    known = parameters(cls)
    if cls.format not in FORMATS:
        raise ParameterError(f"{cls.__name__}.format is {cls.format!r}; it is one of {', '.join(FORMATS)}")
    if hasattr(cls, "process_batch") and not 1 <= cls.batch <= MOST_BATCH:
        raise ParameterError(f"{cls.__name__}.batch is {cls.batch!r}; it is a number from 1 to {MOST_BATCH}")
    instance = cls()
    for name, parameter in known.items():
        setattr(instance, name, parameter.default)
    for name, value in accept(known, values).items():
        setattr(instance, name, value)
    instance.setup()
    return instance


def accept(known: Dict[str, Parameter], values: Dict[str, Any]) -> Dict[str, Any]:
    """The values in their parameters' types. Raises ParameterError."""
    for name in values:
        if name not in known:
            there = ", ".join(known) or "none"
            raise ParameterError(f"there is no parameter '{name}'; there are: {there}")
    return {name: known[name].accept(value) for name, value in values.items()}
