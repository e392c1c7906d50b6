"""Config files: found, extended, overridden, checked, explained."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from lenet.augment.catalogue import describe_specs
from lenet.config.document import read_document
from lenet.config.load import (
    CONFIGS,
    _kinds,
    _name,
    config_names,
    dump_config,
    find_config,
    json_schema,
    load_config,
    read_header,
)
from lenet.config.schema import Config
from lenet.errors import UsageError

MINIMAL = """\
model: {kind: lenet5-modern}
loss: {kind: cross-entropy}
optimizer: {kind: sgd}
"""


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str, name: str = "c.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def faults(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load_config(path, overrides)
    return [line.replace(f"{path}:", "") for line in str(caught.value).splitlines()]


def test_what_a_file_does_not_say_has_its_default(write) -> None:
    config = load_config(write(MINIMAL)).config
    assert config.train.epochs == 10
    assert config.optimizer.momentum == 0.9
    assert config.seed == 0


def test_all_faults_are_reported_in_the_order_in_which_they_stand(write) -> None:
    path = write(
        "model: {kind: lenet5-modern, activaton: relu}\n"
        "loss: {kind: cross-entropi}\n"
        "optimizer: {kind: sgd, momentum: 1.5}\n"
        "train:\n"
        "  passes: 3\n"
        "  epochs: many\n"
        "sed: 1\n"
    )
    assert faults(path) == [
        "1:30: unknown key 'activaton' in section 'model'; did you mean 'activation'?",
        "2:8: loss.kind: there is no 'cross-entropi'; did you mean 'cross-entropy'?",
        "3:24: optimizer.momentum: input should be less than 1, not 1.5",
        "5:3: unknown key 'passes' in section 'train'; did you mean 'epochs'?",
        "6:3: train.epochs: input should be a valid integer, not 'many'",
        "7:1: unknown key 'sed' in top level; did you mean 'seed'?",
    ]


def test_missing_sections_and_kinds_are_named(write) -> None:
    assert faults(write("model: {}\nloss: {kind: mse}\n")) == [
        "1:1: model.kind is missing; it is one of " + ", ".join(_kinds("model")),
        "1:1: optimizer is missing",
    ]


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("loss.kind=mse", "mse needs the penalties of lenet5"),
        ("model.kind=lenet5", "lenet5 puts out penalties"),
        ("input.size=28", "lenet5-modern takes 32×32 pixels, not 28×28: set input.size=32"),
        ("optimizer.momentum=0", "nesterov needs momentum above 0"),
        ("train.keep=best-validation", "needs data.validation above 0"),
        ("train.patience=3", "patience needs data.validation above 0"),
        ("train.no_augment_epochs=11", "11 epochs without augmentation are more than the 10"),
        ("data.distorted_copies=9", "go together"),
        ("data.strings={}", "lines for the model line; lenet5-modern reads single images"),
        ("loss.kind=ctc", "the model line and the loss ctc go together, not lenet5-modern"),
    ],
)
def test_what_does_not_fit_together_is_explained(write, override: str, complaint: str) -> None:
    (fault,) = faults(write(MINIMAL), override)
    assert complaint in fault


def test_balanced_classes_need_an_order_that_is_drawn_anew(write) -> None:
    (fault,) = faults(write(MINIMAL), "data.balance=true", "train.order=constant")
    assert "set train.order=shuffled" in fault


def test_numbers_are_not_silently_converted(write) -> None:
    assert "valid boolean" in faults(write(MINIMAL), "model.batch_norm=1")[0]
    assert "valid integer" in faults(write(MINIMAL), "train.epochs=3.0")[0]
    assert load_config(write(MINIMAL), ["optimizer.lr=1"]).config.optimizer.lr == 1.0


def test_a_config_changes_what_the_one_it_extends_says(write) -> None:
    write(MINIMAL + "train: {epochs: 3, batch_size: 64}\n", "base.yaml")
    child = write("extends: base.yaml\ntrain: {epochs: 5}\n", "child.yaml")
    config = load_config(child).config
    assert (config.train.epochs, config.train.batch_size) == (5, 64)


def test_a_circle_of_extends_is_refused(write) -> None:
    write("extends: b.yaml\n", "a.yaml")
    b = write("extends: a.yaml\n", "b.yaml")
    with pytest.raises(UsageError, match=r"circle: b.yaml → a.yaml → b.yaml"):
        load_config(b)


def test_a_missing_base_is_reported_where_it_is_named(write) -> None:
    assert faults(write("extends: quickstar\n")) == [
        "1:1: extends: no config 'quickstar'; did you mean 'quickstart'?"
    ]


def test_a_missing_config_suggests_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'quickstart'"):
        load_config("quikstart")


def test_the_resolved_config_reads_back_as_itself(write, tmp_path: Path) -> None:
    for name in config_names():
        config = load_config(name).config
        again = write(dump_config(config), "again.yaml")
        assert load_config(again).config == config


def test_every_config_of_the_project_has_a_header_and_a_command() -> None:
    names = config_names()
    assert len(names) == len(list(CONFIGS.rglob("*.yaml"))) > 0
    for name in names:
        header = read_header(find_config(name))
        assert f"lenet train {name}" in header or "lenet reproduce" in header, name


def test_values_say_where_they_were_written(write) -> None:
    path = write(MINIMAL)
    values = {key: (value, origin) for key, value, origin in load_config(path, ["seed=7"]).values()}
    assert values["model.kind"] == ("lenet5-modern", f"{path}:1:9")
    assert values["seed"] == (7, "--set seed=7")
    assert values["train.epochs"] == (10, "default")


def test_an_error_about_a_key_is_put_where_the_key_stands(write) -> None:
    path = write(MINIMAL + "augment:\n  - Twist: {degrees: 3}\n")
    source = load_config(path)
    expected = r"c\.yaml:5:13: augment\.0\.Twist\.degrees: too much"
    with pytest.raises(UsageError, match=expected), source.explaining():
        raise UsageError("too much", ("augment", 0, "Twist", "degrees"))


@pytest.mark.parametrize(
    ("file", "overrides", "name"),
    [
        ("my exp!.yaml", [], "my-exp"),
        ("c.yaml", ["train.epochs=3"], "c,epochs=3"),
        ("c.yaml", ["train.epochs=3", "model.kind=lenet1"], "c,epochs=3,model.kind=lenet1"),
        ("c.yaml", ["augment=[{A: {b: 1}}]"], "c,augment=-A-b-1-"),
    ],
)
def test_an_experiment_is_named_after_its_config_and_changes(write, file, overrides, name) -> None:
    path = write(MINIMAL, file)
    assert _name(path, overrides, load_config(path).config) == name


def test_experiments_with_different_long_changes_have_different_names(write) -> None:
    path = write(MINIMAL)
    config = load_config(path).config
    first, second = (_name(path, [f"{'x' * 200}={i}"], config) for i in (1, 2))
    assert first != second and len(first) < 100


def test_of_many_changes_the_name_has_the_first_ones_whole_and_a_hash(write) -> None:
    path = write(MINIMAL)
    changes = [f"data.train_size={'1' * 20}", *(f"key{i}={'2' * 20}" for i in range(4))]
    _, *kept, digest = _name(path, changes, load_config(path).config).split(",")
    assert kept == [f"train_size={'1' * 20}", f"key0={'2' * 20}"]
    assert len(digest) == 8


def test_the_schema_knows_every_key_and_editors_can_read_it() -> None:
    schema = json_schema(describe_specs())
    json.dumps(schema)
    assert schema["$schema"].endswith("draft-07/schema#")
    assert set(schema["properties"]) == {*Config.model_fields, "extends"}
    assert schema["$defs"]["Training"]["properties"]["epochs"]["description"]


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = json_schema(describe_specs())
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def as_json(path: Path) -> object:
    """What an editor sees: keys are texts, numbers are those of YAML 1.2."""
    return json.loads(json.dumps(read_document(path).plain()))


@pytest.mark.parametrize("name", config_names())
def test_the_schema_accepts_every_config_that_ships(name: str, validator: Draft7Validator) -> None:
    assert [error.message for error in validator.iter_errors(as_json(find_config(name)))] == []


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL + "augment: [RandomAfine: {degrees: 5}]\n",
        MINIMAL + "augment: [RandomAffine: {degreees: 5}]\n",
        MINIMAL + "augment: [MixUp: {}]\n",
        MINIMAL + "augment: [RandomApply: {transforms: [Cutuot: {}]}]\n",
        MINIMAL + "data: {distort: [Paper1989: {}]}\n",
        MINIMAL + "mix: [Cutout: {}]\n",
        MINIMAL + "train: {passes: 3}\n",
        "extends: quickstart\noptimizer: {larning_rate: 0.1}\n",
        "extends: quickstart\noptimizer: {kind: sgd, betas: [0.9, 0.99]}\n",
        MINIMAL.replace("kind: sgd", "lr: 0.1"),
        MINIMAL.replace("loss: {kind: cross-entropy}\n", ""),
    ],
)
def test_the_schema_refuses_what_is_misspelt_or_missing(
    text: str, write, validator: Draft7Validator
) -> None:
    assert not validator.is_valid(as_json(write(text)))


@pytest.mark.parametrize(
    "text",
    [
        "extends: quickstart\noptimizer: {lr: 0.1}\n",
        MINIMAL
        + "augment: [RandomApply: {transforms: [Cutout: {}, Pad: {padding: 2}]}, Paper1998:]\n",
        MINIMAL + "augment: [kornia.RandomRain: {p: 0.5}]\nmix: [MixUp: {alpha: 0.2}]\n",
    ],
)
def test_the_schema_accepts_what_can_be_run(text: str, write, validator: Draft7Validator) -> None:
    assert validator.is_valid(as_json(write(text)))


def test_every_key_has_a_description() -> None:
    for name, definition in json_schema({})["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            assert key == "kind" or "description" in value, f"{name}.{key}"


def test_headers_are_comments_that_yaml_ignores() -> None:
    for name in config_names():
        assert isinstance(yaml.safe_load(find_config(name).read_text()), dict)


def test_a_key_given_without_its_section_is_told_where_it_belongs() -> None:
    with pytest.raises(UsageError, match="unknown key 'epochs'; did you mean 'train\\.epochs'"):
        load_config("quickstart", ["epochs=3"])


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("augment.²=1", "augment"),
        (f"augment.{'9' * 5000}=1", "augment"),
        (".".join(["a"] * 5000) + "=1", "a key has at most 40 parts"),
    ],
)
def test_strange_keys_end_in_a_sentence(override: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        load_config("quickstart", [override])


def test_a_config_extends_no_other_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("pass: secret")
    (tmp_path / "config.yaml").write_text("extends: shadow")
    with pytest.raises(UsageError, match=r"the name of a config ends in [.]yaml") as refused:
        load_config(tmp_path / "config.yaml")
    assert "secret" not in str(refused.value)
