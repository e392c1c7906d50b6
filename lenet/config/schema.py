"""Every setting of an experiment: its name, type, default, legal range and meaning, once.

A `Config` is one experiment. `load.py` beside this file reads YAML into it and generates the JSON
Schema for editors. Nothing here imports torch, so that the command line starts fast.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

TransformSpec = dict[str, dict[str, Any] | None]
"""One transform of a pipeline: its name and its arguments, ``{RandomErasing: {p: 0.25}}``."""

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Decay = Annotated[float, Field(ge=0, le=1 - 1e-6)]
"""Share of an average that is kept at each step, of one that is divided by what it lacks."""
MOST = 1e15
"""Largest number that a rule of training multiplies by: products of two still are floats."""
Positive = Annotated[float, Field(gt=0, le=MOST)]
NotNegative = Annotated[float, Field(ge=0, le=MOST)]


class Section(BaseModel):
    """A part of the config; unknown keys are errors, values are not silently converted."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        serialize_by_alias=True,  # train.from, a word that Python keeps for itself
    )

    def options(self) -> dict[str, Any]:
        """The section's values without `kind`: the arguments of what `kind` names."""
        return self.model_dump(exclude={"kind"})


class Boosting(Section):
    """The networks of one or two earlier runs, from whose mistakes the next one learns."""

    earlier: list[str] = Field(min_length=1, max_length=2)
    """Runs, or folders of several seeds, of which each takes its own. One: as many images that it
    gets right as wrong are trained on; two: those on which they disagree."""


class Strings(Section):
    """How images of digits are composed to lines, anew in each epoch; validation and test lines
    stay the same and hold each digit once."""

    width: int = Field(default=160, ge=48, le=1024)
    """Width of a line in pixels; its height is input.size. A digit that does not fit is left
    out."""
    digits: list[Annotated[int, Field(ge=1, le=20)]] = Field(
        default=[1, 8], min_length=2, max_length=2
    )
    """Fewest and most digits of a line."""
    gap: list[Annotated[float, Field(ge=-10, le=40)]] = Field(
        default=[-4.0, 12.0], min_length=2, max_length=2
    )
    """Fewest and most pixels between neighbours; below 0 they overlap."""
    slant: Annotated[float, Field(ge=0, le=45)] = 25.0
    """Most degrees by which a line leans to either side."""
    style: Fraction = 0.3
    """Share of the lines whose digits have forms that are rare in MNIST; for digits only."""
    clutter: Fraction = 0.6
    """Share of the lines with rules, edges, printed patterns, dots, dashes or grain."""


class Data(Section):
    """Which images, and how they are split."""

    name: Literal[
        "mnist", "fashion-mnist", "kmnist", "qmnist", "emnist-digits", "emnist-balanced",
        "emnist-letters", "emnist-byclass", "emnist-bymerge", "emnist-mnist", "usps", "svhn",
        "cifar-10", "mnist-sample", "files",
    ] = "mnist"  # fmt: skip
    """The dataset; `lenet data list` describes them. files: your own, at `path`."""
    root: str | None = None
    """Folder that holds the files; None looks in $LENET_DATA, then in data/."""
    path: str | None = None
    """Your own images, for the name files: a folder with a folder of pictures per class, or with
    train/ and test/ that hold such folders; a CSV or NPZ file; a folder of CSV, NPY or IDX
    files."""
    size: int | None = Field(default=None, ge=4, le=128)
    """Width and height in pixels to which your own pictures are brought; None: 32, and arrays that
    are square and smaller stay as they are."""
    channels: Literal[1, 3] | None = None
    """Your own pictures in grey (1) or colour (3); None: grey if all are."""
    classes: list[str] | None = Field(default=None, min_length=2)
    """Names of your own classes, in the order of the labels; None: those that are found. A run
    records them."""
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of your own images that becomes the test set where there is none; `split_seed` draws
    it."""
    validation: int = Field(default=0, ge=0)
    """Validation images, taken from the training set."""
    validation_split: Literal["stratified", "tail"] = "stratified"
    """stratified: drawn by `split_seed`, the same share of each class; tail: the file's last.
    MNIST's training images come writer by writer, its test images are by other writers: with
    `stratified` nearly every validation digit's writer is known from training, with `tail` hardly
    any."""
    train_size: Count | None = None
    """Train on this many images only, the same share of each class; None: all of them."""
    split_seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed that decides which images are for validation or left out; apart from the run's seed, so
    that all seeds of an experiment are compared on the same images."""
    balance: bool = False
    """Train on each class equally often, however many images it has: in each epoch a large class
    gives a part of its images, drawn anew, and a small one gives its images several times."""
    distorted_copies: int = Field(default=0, ge=0, le=100)
    """Distorted copies of each training image, drawn once, beside the originals (1998: 9)."""
    distort: list[TransformSpec] = []
    """Transforms that draw those copies."""
    boosting: Boosting | None = None
    """Which of the images, copies among them, to train on; null: all."""
    strings: Strings | None = None
    """Compose the images to lines, for the model line; null: images stay single."""
    fallback: Literal["mnist-sample"] | None = None
    """What to train on if the dataset is not available; its errors compare with no others."""


class Input(Section):
    """How images are prepared for the network."""

    levels: Literal["paper", "lush", "unit", "standard"] = "standard"
    """Grey levels. paper: background -0.1, strokes 1.175; lush: 0 and 2.55; unit: 0 and 1;
    standard: mean 0 and standard deviation 1."""
    mean: list[Fraction] | None = None
    """The mean of each channel that `standard` brings to 0, of pixels from 0 to 1; None: MNIST's,
    or what is measured on the training images of another dataset. A run records it."""
    std: list[Annotated[float, Field(gt=0, le=1)]] | None = None
    """Their standard deviation, which becomes 1."""
    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor on the picture's size; 0.8 makes 16×16 digits of MNIST's 20×20, as for LeNet-1."""
    size: int = Field(default=32, ge=1, le=128)
    """Width and height in pixels, at least the image's; more adds background around it."""
    shuffle: int | None = Field(default=None, ge=0)
    """Seed of one shuffle of all pixels, the same in every picture; None: pixels stay."""
    upright: bool = False
    """Whether digits are sheared until they stand upright, in training and ever after."""
    width: int | None = Field(default=None, ge=4, le=64)
    """Pixels to which each digit's box is stretched or squeezed, by two at most; None: it stays."""


Activation = Literal["relu", "tanh", "scaled-tanh", "gelu", "silu"]


Init = Literal["fan-in", "sqrt-fan-in", "inverse-sqrt-fan-in"]


class Network(Section):
    """Settings of a network."""

    input_size: ClassVar[int | None] = None
    """Width and height in pixels of the only input that the network takes; None: any."""


class LeNet1(Network):
    """LeNet-1: 2,578 parameters, for 16×16 digits in 28×28 pixels."""

    input_size = 28
    kind: Literal["lenet1"]
    init: Init = "inverse-sqrt-fan-in"
    """Spread of the initial weights: ±2.4/F, ±2.4/√F, or ±1/√F."""


class LeNet4(Network):
    """LeNet-4: 17,998 parameters; its connection tables are not in the paper."""

    input_size = 32
    kind: Literal["lenet4"]
    init: Init = "inverse-sqrt-fan-in"
    """Spread of the initial weights: ±2.4/F, ±2.4/√F, or ±1/√F."""


class LeNet5(Network):
    """LeNet-5 exactly as in 1998: 60,000 parameters, Radial Basis Function output."""

    input_size = 32
    kind: Literal["lenet5"]
    init: Init = "inverse-sqrt-fan-in"
    """Spread of the initial weights: ±2.4/F, ±2.4/√F, or ±1/√F."""


class Lush(Network):
    """LeNet-5 as its authors showed it in 2002: logits right after C5; 51,046 parameters."""

    input_size = 32
    kind: Literal["lush"]
    init: Init = "inverse-sqrt-fan-in"
    """Spread of the initial weights: ±2.4/F, ±2.4/√F, or ±1/√F."""


class LeNet5Modern(Network):
    """LeNet-5's shape as built today: full C3, max-pooling, ReLU, softmax; 61,706 parameters."""

    input_size = 32
    kind: Literal["lenet5-modern"]
    activation: Activation = "relu"
    """Activation after C1, C3, C5 and F6."""
    pooling: Literal["max", "average"] = "max"
    """What S2 and S4 do with each 2×2 square."""
    batch_norm: bool = False
    """Normalize after each convolution and after F6; its parameters are not counted in 61,706."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of F6's units switched off in training."""


class Compact(Network):
    """A small network of today: 3×3 convolutions, batch norm, global average pooling; 58,974
    parameters by default."""

    kind: Literal["compact"]
    channels: list[Count] = Field(default=[12, 24, 24, 40, 48, 56], min_length=1)
    """Channels of each convolution."""
    pooled: list[Count] = [1, 3]
    """The convolutions after which height and width are halved, counted from 1."""


class MLP(Network):
    """A fully connected network on the flattened image."""

    kind: Literal["mlp"]
    hidden: list[Count] = Field(default=[300, 100], min_length=1)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """Activation of the hidden layers."""
    output_activation: Literal["none", "scaled-tanh"] = "none"
    """Activation of the outputs; the 1998 networks have one, today's do not."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each hidden layer's units switched off in training."""


class Linear(Network):
    """A weighted sum of the pixels for each class."""

    kind: Literal["linear"]
    output_activation: Literal["none", "scaled-tanh"] = "none"
    """Activation of the outputs."""


class Line(Network):
    """A network that reads a whole line at once, of any width, as high as input.size; 81,211
    parameters by default. Its loss is ctc, its images are composed by data.strings."""

    kind: Literal["line"]
    channels: list[Count] = Field(default=[16, 24, 40, 64, 64], min_length=5, max_length=15)
    """Channels of each convolution: one, as many before the height is halved as before it is halved
    again, and two."""
    context: Annotated[int, Field(ge=1, le=31)] = 9
    """Columns, of two pixels each, that the last convolution sees; odd."""


class Layers(Network):
    """Layers one after another, whose sizes follow from one another."""

    kind: Literal["layers"]
    layers: list[Any] = Field(min_length=1)
    """Words such as `relu`, or words with options, `conv: {filters: 6, size: 5}`."""
    init: Literal["torch", "fan-in", "sqrt-fan-in", "inverse-sqrt-fan-in"] = "torch"
    """Spread of the initial weights: as each layer does by itself, or as in lenet5."""

    def ends_in(self, word: str) -> bool:
        """Say whether the last layer is the one of that name."""
        last = self.layers[-1]
        return last == word or (isinstance(last, dict) and word in last)


Model = Annotated[
    LeNet1 | LeNet4 | LeNet5 | Lush | LeNet5Modern | Compact | Line | MLP | Linear | Layers,
    Field(discriminator="kind"),
]


class CrossEntropy(Section):
    """Softmax cross-entropy, for networks whose outputs are logits."""

    kind: Literal["cross-entropy"]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread evenly over all classes."""


class MSE(Section):
    """The penalty of the right class (the paper's equation 8), for the RBF output."""

    kind: Literal["mse"]


class MAP(Section):
    """The discriminative criterion (the paper's equation 9), for the RBF output."""

    kind: Literal["map"]
    j: Positive = 0.1
    """Penalty of the rubbish class; the paper gives no value."""


class SquaredTargets(Section):
    """Half the squared distance to +1 for the right class and -1 for the others."""

    kind: Literal["squared-targets"]


class CTC(Section):
    """Connectionist temporal classification (torch.nn.CTCLoss), for the model line."""

    kind: Literal["ctc"]


Loss = Annotated[CrossEntropy | MSE | MAP | SquaredTargets | CTC, Field(discriminator="kind")]


class SGD(Section):
    """Stochastic gradient descent."""

    kind: Literal["sgd"]
    lr: Positive = 0.05
    """Learning rate at the top of the schedule."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Share of the last step that is kept."""
    nesterov: bool = True
    """Look ahead along the momentum (needs momentum > 0)."""
    weight_decay: NotNegative = 0.0
    """Pull towards zero, on weights but not on biases."""


class AdamW(Section):
    """Adam with decoupled weight decay."""

    kind: Literal["adamw"]
    lr: Positive = 1e-3
    """Learning rate at the top of the schedule."""
    betas: list[Decay] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    """Decay of the averages of the gradient and of its square."""
    weight_decay: NotNegative = 0.01
    """Pull towards zero, on weights but not on biases."""


class SDLM(Section):
    """The paper's stochastic diagonal Levenberg-Marquardt rule: one update per image."""

    kind: Literal["sdlm"]
    eta: list[Positive] = Field(
        default=[5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8, min_length=1
    )
    """Global learning rate of each epoch; later epochs have the last one."""
    mu: Positive = 0.02
    """Keeps the step finite where the curvature is small."""
    curvature_images: Count = 500
    """Training images on which the curvature is estimated before each epoch."""


Optimizer = Annotated[SGD | AdamW | SDLM, Field(discriminator="kind")]


class Constant(Section):
    """The same learning rate throughout."""

    kind: Literal["constant"]
    warmup: NotNegative = 0.0
    """Epochs over which the learning rate rises from 0."""


class Steps(Section):
    """A factor for each epoch."""

    kind: Literal["steps"]
    factors: dict[int, Positive]
    """From which epoch (the first is 1) which factor on the learning rate holds."""
    warmup: NotNegative = 0.0
    """Epochs over which the learning rate rises from 0."""


class Cosine(Section):
    """Half a cosine from the full learning rate to `final`."""

    kind: Literal["cosine"]
    warmup: NotNegative = 0.0
    """Epochs over which the learning rate rises from 0."""
    final: Fraction = 0.0
    """Factor on the learning rate at the very end."""


class OneCycle(Section):
    """Up along a straight line, down along another."""

    kind: Literal["one-cycle"]
    warmup: NotNegative = 0.0
    """Epochs over which the learning rate rises; 0: the first quarter of all."""
    final: Fraction = 0.0
    """Factor on the learning rate at the very end."""


Schedule = Annotated[Constant | Steps | Cosine | OneCycle, Field(discriminator="kind")]


class Training(Section):
    """How long, in what portions, and what is kept."""

    epochs: Count = 10
    """Sweeps over the training set."""
    from_: str | None = Field(default=None, alias="from")
    """A trained network to start from: a run's folder, a folder of several seeds (each takes its
    own), or ``published:NAME``. With other classes, the last layer begins at random; null: all."""
    freeze: list[str] = []
    """Layers that do not learn, by their names in `lenet summary`."""
    batch_size: Count = 128
    """Images per step. (The sdlm rule makes one update per image whatever this says.)"""
    order: Literal["shuffled", "constant"] = "shuffled"
    """shuffled: a new random order in each epoch; constant: one random order for all (1998)."""
    images_per_epoch: Count | None = None
    """Images in an epoch; None: all. (1998: 60,000, also when there were 600,000.)"""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the averaged weights that are evaluated and saved; 0: no averaging."""
    no_augment_epochs: int = Field(default=0, ge=0)
    """Epochs at the end without augmentation and mixing."""
    keep: Literal["last", "best-validation"] = "last"
    """Which weights are the result; best-validation needs data.validation."""
    patience: Count | None = None
    """Stop early, so many epochs after the one with the fewest validation errors, whose weights are
    then the result; needs data.validation. The schedule stays that of all `epochs`. None: never."""
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    """A checkpoint is also written within an epoch, this often."""
    checkpoint_steps: Count | None = None
    """A checkpoint is also written within an epoch, every so many steps."""

    @property
    def kept(self) -> Literal["last", "best-validation"]:
        """What `keep` says, or the best where training stops early."""
        return self.keep if self.patience is None else "best-validation"


class Distillation(Section):
    """What a trained network says of each picture it is shown, beside the picture's label."""

    teacher: str
    """A run's folder, a folder of several seeds (their mean), or ``published:NAME``."""
    share: Fraction = 0.9
    """The teacher's share of the targets; the label has the rest."""


class Quantization(Section):
    """A network for a chip: it computes with weights of few bits and layer states of 8, in training
    and ever after, as its C code does (`lenet export --format c`)."""

    weights: Literal[8, 4] = 8
    """Bits of each weight, on a grid for each output channel."""


class Evaluation(Section):
    """How often errors are counted, and on what."""

    every: Count = 1
    """Epochs between evaluations; the last epoch is always evaluated."""
    batch_size: Count = 1000
    """Images per evaluation batch; results do not depend on it."""
    train: bool = False
    """Also count the errors on the training images, unaugmented (they are counted on the fly
    anyway, as in the paper's Figure 5)."""
    histograms: bool = False
    """Histograms of all weights for TensorBoard, after each epoch or, of many, after fifty."""
    pictures: bool = True
    """Draw the figures of the finished run for TensorBoard; takes some seconds."""


class Config(Section):
    """One experiment."""

    data: Data = Data()
    input: Input = Input()
    model: Model
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule = Constant(kind="constant")
    augment: list[TransformSpec] = []
    """Transforms of the images, one draw per image, in order."""
    mix: list[TransformSpec] = []
    """Transforms that mix images and their labels."""
    distil: Distillation | None = None
    """What to learn from beside the labels; null: nothing."""
    train: Training = Training()
    quantize: Quantization | None = None
    """How weights and states are rounded; null: not at all."""
    evaluate: Evaluation = Evaluation()
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Everything random in a run derives from it."""
    deterministic: bool | None = None
    """Same seed, same bits; None: on CPU yes, elsewhere as fast as it goes."""
    kernels: Literal["auto", "torch", "fast"] = "auto"
    """What computes updates and error counts. fast: compiled kernels for lenet5-modern and compact
    on CPUs with AVX2 or AVX-512, the same as PyTorch's to rounding; auto: fast where they cover the
    config and the machine and are faster, else PyTorch. A resumed run goes on with what it began
    with."""
