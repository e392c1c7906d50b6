"""Draws any config that the schema allows, for tests; from the schema itself, so that it knows all.

What names other runs, folders or datasets keeps its default.
"""

import sys
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lenet.config.schema import Config

LAYERS = st.lists(
    st.sampled_from(
        [
            "relu", "flatten", "rbf", "scaled-tanh", {"conv": {"filters": 3, "size": 5}},
            {"linear": {"units": 10}}, {"max": {"size": 2}}, {"dropout": {"p": 0.5}}, "batch-norm",
        ]
    ),
    min_size=1,
    max_size=5,
) | st.sampled_from(
    [
        ["flatten", {"linear": {"units": 10}}],
        [{"conv": {"filters": 2, "size": 5}}, "batch-norm", "relu", "flatten",
         {"linear": {"units": 10}}],
        ["flatten", {"linear": {"units": 84}}, "scaled-tanh", "rbf"],
    ]
)  # fmt: skip
TRANSFORMS = st.lists(
    st.sampled_from(
        [
            {"RandomAffine": {"degrees": 10}}, {"ElasticTransform": {}}, {"GaussianNoise": {}},
            {"RandomErasing": {}}, {"RandomCrop": {"size": 20}}, {"RandomResizedCrop": {"size": 9}},
            {"GaussianBlur": {"kernel_size": 3}}, {"CLAHE": {}}, {"RandAugment": {}},
        ]
    ),
    max_size=2,
)  # fmt: skip
SPECIAL: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("Data", "name"): st.just("mnist-sample"),
    ("Data", "train_size"): st.integers(1, 40),
    ("Data", "validation"): st.integers(0, 40),
    ("Data", "distort"): TRANSFORMS,
    ("Data", "distorted_copies"): st.integers(0, 3),
    ("Data", "boosting"): st.none(),
    ("Strings", "width"): st.integers(48, 64),
    ("Config", "distil"): st.none(),
    ("Config", "augment"): TRANSFORMS,
    ("Config", "mix"): st.lists(st.sampled_from([{"MixUp": {}}, {"CutMix": {}}]), max_size=1),
    ("Layers", "layers"): LAYERS,
}
"""What the types of the schema do not say, or what would take long, by section and field."""


def legal_sections(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of what may stand in a section."""
    needed, optional = {}, {}
    for name, field in model.model_fields.items():
        special = SPECIAL.get((model.__name__, name))
        values = special if special is not None else _values(field.annotation, field.metadata)
        if field.is_required():
            needed[name] = values
        elif not values.is_empty:
            optional[name] = values
    return st.fixed_dictionaries(needed, optional=optional)


def legal_configs() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of configs whose settings are each legal; together they may contradict."""
    return legal_sections(Config)


def _values(annotation: Any, limits: list[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of the values of a type within limits."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [
            m for a in arguments[1:] for m in (a.metadata if isinstance(a, FieldInfo) else [a])
        ]
        return _values(arguments[0], [*limits, *inner])
    if origin in (Union, UnionType):
        return st.one_of([_values(each, limits) for each in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    least = _limit(limits, MinLen, "min_length", 0)
    most = min(_limit(limits, MaxLen, "max_length", 3), 3)
    sizes = {"min_size": least, "max_size": max(least, most)}
    if origin in (list, dict):
        members = [_values(each, []) for each in arguments]
        if any(each.is_empty for each in members):
            return st.just(origin()) if sizes["min_size"] == 0 else st.nothing()
        return st.lists(*members, **sizes) if origin is list else st.dictionaries(*members, **sizes)
    if annotation in (NoneType, bool):
        return st.just(None) if annotation is NoneType else st.booleans()
    if annotation is int:
        low = _limit(limits, Ge, "ge", _limit(limits, Gt, "gt", -1) + 1)
        high = _limit(limits, Le, "le", _limit(limits, Lt, "lt", 2**63) - 1)
        return st.integers(low, high) | st.integers(low, min(high, low + 40))
    if annotation is float:
        low, high = _limit(limits, Ge, "ge", None), _limit(limits, Le, "le", None)
        above, below = _limit(limits, Gt, "gt", None), _limit(limits, Lt, "lt", None)
        any_value = st.floats(
            above if low is None else low,
            (sys.float_info.max if below is None else below) if high is None else high,
            exclude_min=low is None and above is not None,
            exclude_max=high is None and below is not None,
        )
        usual = [v for v in (0.0, 1e-4, 0.01, 0.5, 0.9, 1.0, 3.0) if _allows(limits, v)]
        return st.sampled_from(usual) | any_value
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return legal_sections(annotation)
    return st.nothing()  # a name


def _limit(limits: list[Any], kind: type, name: str, default: Any) -> Any:
    return next((getattr(limit, name) for limit in limits if isinstance(limit, kind)), default)


def _allows(limits: list[Any], value: float) -> bool:
    return all(
        (not isinstance(limit, Ge) or value >= limit.ge)
        and (not isinstance(limit, Gt) or value > limit.gt)
        and (not isinstance(limit, Le) or value <= limit.le)
        and (not isinstance(limit, Lt) or value < limit.lt)
        for limit in limits
    )
