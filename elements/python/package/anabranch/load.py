"""From a file to its filter class."""

import importlib.util
import os
import sys

from .filter import Filter


class LoadError(Exception):
    """The file has no filter, or more than one."""


def load(path: str) -> type:
    """The one subclass of Filter in a file. Raises LoadError, or whatever the file raises."""
    path = os.path.abspath(path)
    # Files beside it can be imported; they do not hide other modules.
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.append(folder)
    name = "filter_" + os.path.splitext(os.path.basename(path))[0].replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Annotations are looked up in the module by its name.
    sys.modules[name] = module
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Filter) and value.__module__ == name
    ]
    # A class that others in the file build on is not meant itself.
    found = [cls for cls in found if not any(other is not cls and issubclass(other, cls) for other in found)]
    if len(found) != 1:
        names = ", ".join(cls.__name__ for cls in found) or "none"
        raise LoadError(f"{path} must have one class that is derived from anabranch.Filter; there are: {names}")
    return found[0]
