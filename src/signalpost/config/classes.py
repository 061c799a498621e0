"""Classes that settings name by their path: ours, and those of users."""

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from signalpost.config.parsers import shown_name
from signalpost.errors import InvalidConfiguration, InvalidValue, SignalpostError, is_from_keyboard


def is_path(text: str) -> bool:
    """True if a text can be the path of a class, such as `mypackage.feeds:MyFeed` or `mypackage.feeds.MyFeed`."""
    module, _, name = _parts(text)
    return name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def made(path: str, arguments: Mapping[str, object], field: str) -> Any:
    """An instance of the class at `path`, which is imported first.

    Raises InvalidConfiguration, with `field`, if there is no such class, if it does not have these arguments, or if it
    rejects them. The text of any other exception is not shown, because it could contain a secret.
    """
    fault: SignalpostError | None = None
    try:
        kind = class_at(path, field)
        _check_arguments(kind, path, arguments, field)
        return kind(**arguments)
    except (InvalidConfiguration, InvalidValue) as error:
        fault = InvalidConfiguration.of_all(each._replace(field=each.field or field) for each in error.errors)
    except BaseException as error:  # user code may raise anything, also SystemExit
        if is_from_keyboard(error):
            raise
        text = f"{path} cannot be created ({_described(error)}): correct its settings or its code"
        fault = InvalidConfiguration(text, code="not-usable", field=field, value=path)
    raise fault  # out here, because an error that shows a secret must not be its context


def _described(error: BaseException) -> str:
    """The kind of an error, and the place of a syntax error."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{kind} in {error.filename}, line {error.lineno}"
    return kind


def _parts(path: str) -> tuple[str, str, str]:
    return path.partition(":") if ":" in path else path.rpartition(".")


def class_at(path: str, field: str) -> Any:
    """The class at `path`, which is imported. Raises InvalidConfiguration, with `field`, if there is none."""
    module, _, name = _parts(path)
    problem = ""
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        problem = f"there is no module {error.name}: install it, or set PYTHONPATH to its folder"
    except AttributeError:
        problem = f"{module} has no {name}: correct the path"
    else:
        if isinstance(found, type):
            return found
        problem = "it is not a class: use the path of one"
    raise InvalidConfiguration(f"{path} cannot be used: {problem}", code="not-found", field=field, value=path)


def _check_arguments(kind: Callable[..., Any], path: str, arguments: Mapping[str, object], field: str) -> None:
    parameters = signature(kind).parameters
    if not any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values()):
        unknown = [shown_name(each) for each in arguments if each not in parameters]
        if unknown:
            text = f"{path} has no setting {', '.join(unknown)}: it has {', '.join(parameters)}"
            raise InvalidConfiguration(text, code="unknown-field", field=field, limit=", ".join(parameters))
    required = [each for each in parameters.values() if each.default is Parameter.empty]
    named = (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    if missing := [each.name for each in required if each.kind in named and each.name not in arguments]:
        text = f"{path} needs {', '.join(missing)}: add it to the settings"
        raise InvalidConfiguration(text, code="missing", field=field, limit=", ".join(missing))
