"""The exported page, in a real browser: it reads what PyTorch reads, to the last layer."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.data.datasets import Dataset
from lenet.data.pictures import decode_scaled, fit_picture, read_picture
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier, build_classifier, load_classifier
from lenet.export.page import BEGINNINGS, PADDING, describe_network, export_page
from lenet.export.request import Request
from lenet.reading.digitize import digitize
from lenet.runs.find import open_runs
from lenet.runs.run import Run

KINDS = {
    "lenet5": ["model.kind=lenet5", "loss.kind=mse", "input.levels=paper"],
    "lenet5-modern": [],
    "batch-norm": ["model.batch_norm=true", "model.activation=silu", "model.pooling=average"],
    "compact": ["model.kind=compact", "input.size=28"],
    "mlp": ["model={kind: mlp, hidden: [30, 20], activation: gelu}", "input.size=28"],
    "lenet1": ["model.kind=lenet1", "input.size=28", "input.scale=0.8", "input.shuffle=3"],
    "lenet4": ["model.kind=lenet4"],
    "layers": [
        "model={kind: layers, layers: [{conv: {filters: 4, size: 3, stride: 2, padding: 1,"
        " bias: false}}, batch-norm, tanh, {max: {size: 3, stride: 2, padding: 1}},"
        " {conv: {filters: 8, size: 4, padding: same, groups: 2}}, relu,"
        " {average: {size: 3, stride: 2}}, global-average, {linear: {units: 10, bias: false}}]}",
    ],
}  # fmt: skip
LIMIT = 1_000_000
"""Bytes of the pages of all of these."""


def config_of(kind: str) -> Config:
    return load_config("modern/plain", KINDS[kind]).config


def untrained(kind: str) -> Classifier:
    classifier = build_classifier(config_of(kind))
    for module in classifier.model.modules():  # running statistics of a network that saw something
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    classifier.model.eval()
    return classifier


def open_page(browser: Any, folder: Path, classifier: Classifier, kind: str) -> None:
    path = folder / f"{kind}.html"
    run = Run.create(kind, config_of(kind), folder / "runs", overwrite=True)
    export_page(Request(run, classifier, path))
    assert path.stat().st_size < LIMIT
    browser.get(path.as_uri())


def states_of(classifier: Classifier, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every layer's states for images, by hooks on the last module before the next layer."""
    names = iter(layer["name"] for layer in describe_network(classifier)[0]["layers"])
    states: dict[str, torch.Tensor] = {}
    current: list[str] = []

    def note(module: torch.nn.Module, given: Any, made: torch.Tensor) -> None:
        if isinstance(module, BEGINNINGS):
            current.append(next(names))
        if not isinstance(module, (*PADDING, torch.nn.Flatten)):
            states[current[-1]] = made

    leaves = [module for module in classifier.model.modules() if not any(module.children())]
    hooks = [module.register_forward_hook(note) for module in leaves]
    classifier(images)
    for hook in hooks:
        hook.remove()
    return states


def drag(browser: Any, points: list[tuple[int, int]]) -> None:
    """Draw a stroke with the mouse; points in pixels from the pad's top left corner."""
    from selenium.webdriver import ActionChains

    pad = browser.find_element("id", "pad")
    half = 140
    actions = ActionChains(browser, duration=10)
    (x, y), *rest = points
    actions.move_to_element_with_offset(pad, x - half, y - half).click_and_hold()
    for u, v in rest:
        actions.move_to_element_with_offset(pad, u - half, v - half)
    actions.release().perform()


def read_page(browser: Any) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    last = browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => {"
        "const {ink, states, probabilities} = window.lenet.last;"
        "const plain = Object.entries(states).map(([k, s]) => [k, Array.from(s.values)]);"
        "done([ink && Array.from(ink), plain, probabilities]); }));"
    )
    return np.array(last[0]), {k: np.array(v) for k, v in last[1]}, np.array(last[2])


SEVEN = [(70, 70), (130, 68), (200, 66), (170, 130), (140, 190), (120, 235)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawn_digit_gives_pytorch_s_states_in_every_layer(
    kind: str, browser: Any, tmp_path: Path
) -> None:
    classifier = untrained(kind)
    open_page(browser, tmp_path, classifier, kind)
    drag(browser, SEVEN)
    drag(browser, [(110, 150), (185, 145)])
    ink, states, probabilities = read_page(browser)
    url = browser.execute_script("return document.getElementById('pad').toDataURL('image/png')")
    picture = decode_scaled(io.BytesIO(base64.b64decode(url.partition(",")[2])), 640)[0]
    expected = digitize(picture).ink
    np.testing.assert_allclose(ink.reshape(28, 28), expected, atol=1e-5)
    tensor = torch.from_numpy(expected)[None, None]
    for name, state in states_of(classifier, tensor).items():
        np.testing.assert_allclose(states[name], state.flatten().numpy(), atol=1e-4, err_msg=name)
    np.testing.assert_allclose(probabilities, classifier(tensor)[0].numpy(), atol=1e-4)
    shown = browser.find_element("id", "digit").text
    assert int(shown) == int(classifier(tensor).argmax())


def test_a_picture_in_colour_is_read_as_predict_reads_it(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    values = [
        "model.kind=compact", "data.name=files", "data.path=x", "data.channels=3", "data.size=32",
        'data.classes=["a</script>", "shirt & tie", "c"]', "input.mean=[0.4, 0.5, 0.6]",
        "input.std=[0.2, 0.3, 0.25]",
    ]  # fmt: skip
    config = load_config("modern/plain", values).config
    classifier = build_classifier(config)
    classifier.model.eval()
    path = tmp_path / "own.html"
    export_page(Request(Run.create("own", config, tmp_path / "runs"), classifier, path))
    browser.get(path.as_uri())
    assert browser.find_element("id", "certainty").text == "no picture yet"
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    picture = tmp_path / "picture.png"
    coarse.resize((200, 131), Image.Resampling.BICUBIC).save(picture)
    browser.find_element("id", "file").send_keys(str(picture))
    WebDriverWait(browser, 30).until(lambda page: page.execute_script("return lenet.last.ink"))
    pixels, _, shares = read_page(browser)
    expected = fit_picture(read_picture(picture, 256), 32, 3)
    assert np.abs(255 * pixels.reshape(3, 32, 32) - expected).max() <= 1.01
    image = torch.from_numpy(pixels).float().view(1, 3, 32, 32)
    np.testing.assert_allclose(shares, classifier(image)[0].numpy(), atol=1e-4)
    best = classifier.data.classes[int(shares.argmax())]
    assert browser.find_element("id", "digit").text == best
    assert not browser.find_element("id", "pad").is_displayed()
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


@pytest.mark.parametrize("kind", ["lenet5", "lenet5-modern"])
def test_a_hundred_test_images_give_pytorch_s_states(
    kind: str, browser: Any, tmp_path: Path, sample: Dataset
) -> None:
    classifier = untrained(kind)
    open_page(browser, tmp_path, classifier, kind)
    ink = sample.test.images[::10][:100] / 255
    found = browser.execute_script(
        "return arguments[0].map((ink) => {"
        "const {states, probabilities} = window.lenet.run(ink);"
        "return [Array.from(states.f6.values), Array.from(states.output.values), probabilities];"
        "});",
        ink.flatten(1).tolist(),
    )
    f6, outputs, probabilities = (np.array([row[k] for row in found]) for k in range(3))
    expected = states_of(classifier, ink)
    np.testing.assert_allclose(f6, expected["f6"].numpy(), atol=1e-4)
    np.testing.assert_allclose(outputs, expected["output"].numpy(), atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(probabilities, classifier(ink).numpy(), atol=1e-4)


@pytest.mark.slow
def test_drawing_is_prepared_as_predict_does_whatever_its_shape(
    browser: Any, tmp_path: Path
) -> None:
    open_page(browser, tmp_path, untrained("lenet5-modern"), "lenet5-modern")
    drawings = {
        "a dot": [[(140, 140), (141, 140)]],
        "a flat line": [[(20, 100), (260, 102)]],
        "two strokes apart": [[(60, 40), (60, 60)], [(60, 100), (200, 240)]],
        "at the rim": [[(0, 20), (0, 200), (90, 200)]],
        "small": [[(200, 200), (220, 200), (205, 240)]],
    }
    for name, strokes in drawings.items():
        browser.find_element("id", "clear").click()
        for stroke in strokes:
            drag(browser, stroke)
        ink, _, _ = read_page(browser)
        url = browser.execute_script("return document.getElementById('pad').toDataURL()")
        picture = decode_scaled(io.BytesIO(base64.b64decode(url.partition(",")[2])), 640)[0]
        np.testing.assert_allclose(
            ink.reshape(28, 28), digitize(picture).ink, atol=1e-5, err_msg=name
        )


def test_the_keyboard_draws_and_clears(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains, Keys

    open_page(browser, tmp_path, untrained("lenet5-modern"), "lenet5-modern")
    keys = ActionChains(browser).send_keys(Keys.TAB, *[Keys.ARROW_UP] * 9, Keys.SPACE)
    keys.send_keys(*[Keys.ARROW_DOWN] * 18, Keys.SPACE).perform()
    ink, _, _ = read_page(browser)
    rows = np.flatnonzero(ink.reshape(28, 28).any(axis=1))
    assert (len(rows), np.ptp(rows)) == (20, 19)  # an upright stroke, 20 pixels high
    ActionChains(browser).send_keys(Keys.SPACE, Keys.DELETE).perform()
    assert browser.find_element("id", "digit").text == "–"
    ActionChains(browser).send_keys(Keys.ARROW_UP).perform()  # the pen was lifted
    assert browser.find_element("id", "digit").text == "–"


def test_a_tap_is_a_dot(browser: Any, tmp_path: Path) -> None:
    open_page(browser, tmp_path, untrained("lenet5-modern"), "lenet5-modern")
    browser.find_element("id", "pad").click()
    ink, _, _ = read_page(browser)
    rows, columns = np.nonzero(ink.reshape(28, 28) > 0.5)
    assert min(np.ptp(rows), np.ptp(columns)) >= 16  # a disk, scaled to 20 × 20


CROSS = [[(70, 60), (210, 220)], [(210, 60), (70, 220)]]
TWO = [[(50, 70), (100, 70), (50, 200), (110, 200)], [(200, 60), (200, 220)]]


def certainty(browser: Any) -> str:
    read_page(browser)  # which waits until the page has drawn
    return browser.find_element("id", "certainty").text


def test_what_is_no_single_digit_is_doubted_and_undone(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    run = open_runs("published:handwriting/0")[0]
    export_page(Request(run, load_classifier(run), path))
    browser.get(path.as_uri())
    drag(browser, SEVEN)
    assert browser.find_element("id", "digit").text == "7"
    assert certainty(browser)[0].isdigit()
    bars = browser.find_elements("css selector", "#outputs span")
    assert float(bars[7].text.removesuffix(" %")) > 90
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    rows = [node for node in tree if node.get("role", {}).get("value") == "listitem"]
    assert [row["name"]["value"] for row in rows] == [""] * 10  # so that their text is read
    for strokes, doubt in ((CROSS, "no digit: "), (TWO, "several marks? ")):
        browser.find_element("id", "clear").click()
        for stroke in strokes:
            drag(browser, stroke)
        assert certainty(browser).startswith(doubt)
    browser.find_element("id", "undo").click()  # only the 2 is left
    assert browser.find_element("id", "digit").text != "–"
    assert not certainty(browser).startswith("several")
    browser.find_element("id", "undo").click()
    assert certainty(browser) == "draw a digit"
    drag(browser, [(90, 90), (91, 90)])
    assert certainty(browser) == "too small to read"


def test_a_picture_is_taken_and_light_ink_turned_dark(browser: Any, tmp_path: Path) -> None:
    open_page(browser, tmp_path, untrained("lenet5-modern"), "lenet5-modern")
    browser.execute_async_script(
        "const done = arguments[0], board = new OffscreenCanvas(400, 300);"
        "const pen = board.getContext('2d'); pen.fillStyle = '#223';"
        "pen.fillRect(0, 0, 400, 300); pen.fillStyle = '#eee'; pen.fillRect(180, 50, 30, 200);"
        "board.convertToBlob().then(window.lenet.takePicture).then(done);"
    )
    ink, _, _ = read_page(browser)
    rows = np.flatnonzero(ink.reshape(28, 28).any(axis=1))
    assert (len(rows), np.ptp(rows)) == (20, 19)  # an upright bar, 20 pixels high


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (844, 390), (667, 375)])
def test_pad_verdict_and_layers_share_a_screen_at_the_devices_sharpness(
    width: int, height: int, browser: Any, tmp_path: Path
) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    open_page(browser, tmp_path, untrained("lenet5"), "lenet5")
    tall, pad = browser.execute_script(
        "return [document.documentElement.scrollHeight, document.getElementById('pad').width]"
    )
    pen = browser.find_element("id", "width").is_displayed()
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert (tall, pad) == (height, 560)
    assert pen


@pytest.mark.parametrize("width", [360, 1120])
def test_nothing_is_wider_than_the_screen_and_nothing_is_fetched(
    width: int, browser: Any, tmp_path: Path
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    open_page(browser, tmp_path, untrained("lenet5"), "lenet5")
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    fetched = browser.execute_script("return performance.getEntriesByType('resource').length")
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width
    assert fetched == 0
    assert severe == []


def test_the_1998_network_is_described_layer_by_layer() -> None:
    description, numbers = describe_network(untrained("lenet5"))
    kinds = [[step["kind"] for step in layer["steps"]] for layer in description["layers"]]
    assert kinds == [
        ["convolution", "scaled_tanh"], ["subsampling", "scaled_tanh"],
        ["convolution", "scaled_tanh"], ["subsampling", "scaled_tanh"],
        ["convolution", "scaled_tanh"], ["linear", "scaled_tanh"], ["distance"],
    ]  # fmt: skip
    # 60,000 parameters, 36 kernels of C3 that are zero, and the 840 bits of the bitmaps
    assert len(numbers) == 60_000 + 36 * 25 + 840


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            [
                "model={kind: layers, layers: [{local: {filters: 2, size: 3}}, flatten,"
                " {linear: {units: 10}}]}"
            ],
            "cannot compute LocallyConnected",
        ),
        (
            [
                "model={kind: layers, layers: [{conv: {filters: 2, size: 3, padding: 1,"
                " border: reflect}}, flatten, {linear: {units: 10}}]}"
            ],
            "cannot compute convolutions that pad by reflect",
        ),
        (["input.width=16"], "cannot normalize slant or width"),
    ],
)
def test_other_networks_are_refused(values: list[str], sentence: str) -> None:
    classifier = build_classifier(load_config("modern/plain", values).config)
    with pytest.raises(UsageError, match=sentence):
        describe_network(classifier)
