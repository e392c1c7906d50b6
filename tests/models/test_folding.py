import pytest
import torch

from lenet.models.folding import fold_batch_norm
from lenet.models.lenet5_modern import LeNet5Modern


def test_a_folded_network_says_the_same_with_61706_weights() -> None:
    torch.manual_seed(0)
    model = LeNet5Modern(activation="silu", pooling="average", batch_norm=True)
    for _ in range(3):  # statistics other than 0 and 1
        model(torch.rand(32, 1, 32, 32) * 3)
    for norm in (model.squash1[0], model.squash3[0], model.squash5[0], model.squash6[0]):
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
        torch.nn.init.uniform_(norm.bias, -1, 1)
    images = torch.rand(4, 1, 32, 32)
    folded = fold_batch_norm(model.eval())
    torch.testing.assert_close(folded(images), model(images), atol=1e-5, rtol=1e-5)
    assert sum(w.numel() for w in folded.parameters()) == 61_706
    assert len(list(folded.buffers())) == 0


def test_only_a_trained_network_with_batch_norm_is_folded() -> None:
    with pytest.raises(ValueError, match="with batch norm, in evaluation mode"):
        fold_batch_norm(LeNet5Modern().eval())
    with pytest.raises(ValueError, match="with batch norm, in evaluation mode"):
        fold_batch_norm(LeNet5Modern(batch_norm=True))
