"""hippograd.nn.Module: parameters found by walking, state, hooks, errors with paths, `hg.check`."""
import copy

import pytest

import hippograd as hg
from hippograd import nn


class Gate(nn.Module):
    def __init__(self, width):                          # no super().__init__()
        self.gate = nn.Linear(width, width)
        self.decay = nn.Parameter(hg.zeros(width))
        self.table = hg.ones(width)                     # a plain tensor belongs to nobody

    def forward(self, x):
        return self.gate(x) * self.decay.sigmoid() + self.table


class Net(nn.Module):
    def __init__(self):
        self.blocks = [Gate(3), Gate(3)]                # a plain list
        self.heads = {"a": nn.Linear(3, 1), "b": (nn.Linear(3, 2), nn.Parameter(hg.ones(2)))}
        self.scale = nn.Parameter(hg.ones(()))
        self.register_buffer("count", hg.zeros(()))
        self.register_buffer("scratch", hg.zeros(2), persistent=False)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.heads["a"](x) * self.scale


def test_parameters_in_lists_and_dicts_are_found_own_ones_first():
    assert [name for name, _ in Net().named_parameters()] == [
        "heads.b.1", "scale", "blocks.0.decay", "blocks.0.gate.weight", "blocks.0.gate.bias", "blocks.1.decay",
        "blocks.1.gate.weight", "blocks.1.gate.bias", "heads.a.weight", "heads.a.bias", "heads.b.0.weight",
        "heads.b.0.bias"]


def test_state_dict_holds_parameters_and_persistent_buffers():
    net = Net()
    state = net.state_dict()
    assert "count" in state and "scratch" not in state and "blocks.0.table" not in state
    assert [n for n, _ in net.named_buffers()] == ["count", "scratch"]
    twin = Net()
    assert repr(twin.load_state_dict(state)) == "<All keys matched successfully>"
    x = hg.randn(4, 3)
    assert hg.equal(net(x), twin(x))


def test_load_state_dict_names_everything_that_is_wrong_and_changes_nothing():
    net = Net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    del state["scale"]
    state["alien"] = hg.zeros(1)
    state["blocks.1.decay"] = hg.zeros(7)
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    assert 'Missing key(s) in state_dict: "scale"' in text and 'Unexpected key(s) in state_dict: "alien"' in text
    assert "size mismatch for blocks.1.decay: copying a param with shape hippograd.Size([7])" in text
    assert all(hg.equal(v, before[k]) for k, v in net.state_dict().items())
    del state["blocks.1.decay"]
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == ["scale", "blocks.1.decay"] and unexpected == ["alien"]
    assert hg.equal(net.blocks[0].decay, before["blocks.0.decay"] + 1)


def test_tied_weights_are_listed_once_and_saved_under_every_path():
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 1
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight and twin[0].weight is not net[0].weight
    assert isinstance(twin[0].weight, nn.Parameter)


def test_a_cycle_ends():
    a, b = Gate(2), Gate(2)
    a.friend, b.friend = b, a
    assert len(list(a.modules())) == 4
    assert len(list(a.parameters())) == 6


def test_isinstance_parameter_is_a_flag_of_the_tensor():
    p = nn.Parameter(hg.ones(3))
    assert isinstance(p, nn.Parameter) and isinstance(p, hg.Tensor) and p.requires_grad and p.is_leaf
    assert not isinstance(p * 2, nn.Parameter) and not isinstance(p.detach(), nn.Parameter)
    assert not nn.Parameter(hg.ones(3), requires_grad=False).requires_grad


def test_a_bare_leaf_stays_a_plain_attribute():
    layer = nn.Identity()
    layer.loose = hg.ones(2, requires_grad=True)
    assert list(layer.parameters()) == []


def test_assignments_that_would_lose_a_parameter_are_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="cannot assign .* as parameter 'weight'"):
        layer.weight = hg.ones(2, 2)
    layer.weight = nn.Parameter(hg.ones(2, 2))
    layer.bias = None
    assert [n for n, _ in layer.named_parameters()] == ["weight"]
    with pytest.raises(KeyError, match="already exists"):
        layer.register_buffer("weight", hg.ones(1))
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        layer.wieght


def test_an_error_names_the_path_of_the_layer():
    net = nn.Sequential(nn.Linear(3, 3), nn.ModuleDict({"deep": nn.Linear(4, 2)})["deep"])
    outer = nn.Module()
    outer.layers = [net]
    outer.forward = lambda x: outer.layers[0](x)
    with pytest.raises(hg.ShapeError, match=r"^in layers\.0\.1: "):
        outer(hg.ones(2, 3))


def test_modes_dtypes_freezing():
    net = Net()
    assert net.training and not net.eval().blocks[0].gate.training and net.train() is net
    net.double()
    assert {p.dtype for p in net.parameters()} == {hg.float64} and net.count.dtype == hg.float64
    assert net.blocks[0].table.dtype == hg.float32
    parameter = net.scale
    assert net.to(hg.float32).scale is parameter and parameter.dtype == hg.float32
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    with pytest.raises(TypeError, match="only accepts floating point"):
        net.to(hg.int64)


def test_zero_grad():
    net = nn.Linear(2, 1)
    net(hg.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert hg.equal(net.weight.grad, hg.zeros(1, 2))
    net.zero_grad()
    assert net.weight.grad is None


def test_hooks_in_order_and_removable():
    log = []
    layer = nn.Linear(2, 2)
    pre = layer.register_forward_pre_hook(lambda m, args: log.append("pre") or (args[0] * 0,))
    post = layer.register_forward_hook(lambda m, args, y: log.append("post") or y + 1)
    assert hg.equal(layer(hg.ones(1, 2)), layer.bias.unsqueeze(0) + 1)
    assert log == ["pre", "post"]
    pre.remove(), post.remove()
    layer(hg.ones(1, 2))
    assert len(log) == 2


def test_backward_hooks_see_and_replace_gradients():
    seen = {}
    layer = nn.Linear(2, 2, bias=False)
    layer.register_full_backward_pre_hook(lambda m, gy: (gy[0] * 2,))

    def hook(m, gx, gy):
        seen["gx"], seen["gy"] = gx[0].clone(), gy[0].clone()
        return (gx[0] * 10,)

    layer.register_full_backward_hook(hook)
    x = hg.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    expected = 2 * layer.weight.detach().sum(0, keepdim=True)
    assert hg.allclose(seen["gx"], expected) and hg.equal(seen["gy"], hg.full((1, 2), 2.0))
    assert hg.allclose(x.grad, 10 * expected)


def test_repr_and_summary():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    assert repr(net) == ("Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()\n)")
    lines = net.summary().split("\n")
    assert lines[2].split() == ["0.weight", "(3,", "2)", "6"] and lines[-1].split() == ["total", "9"]


def test_containers():
    layers = nn.ModuleList([nn.Linear(i + 1, 1) for i in range(3)])
    layers.insert(1, nn.ReLU())
    assert [type(m).__name__ for m in layers] == ["Linear", "ReLU", "Linear", "Linear"]
    assert layers[-1].in_features == 3 and len(layers[1:3]) == 2
    del layers[1]
    assert list(layers.state_dict()) == [f"{i}.{n}" for i in range(3) for n in ("weight", "bias")]
    with pytest.raises(IndexError):
        layers[5]
    table = nn.ModuleDict({"items": nn.Linear(1, 1)})   # the name of a method is a fine key
    assert "items" in table and [k for k, _ in table.items()] == ["items"]
    parameters = nn.ParameterList([hg.ones(2), hg.zeros(1)])
    assert len(list(parameters.parameters())) == 2 and isinstance(parameters[0], nn.Parameter)


def test_functional_call_leaves_the_module_alone():
    layer = nn.Linear(2, 1)
    weight = layer.weight
    y = hg.func.functional_call(layer, {"weight": hg.ones(1, 2), "bias": hg.zeros(1)}, (hg.ones(1, 2),))
    assert y.item() == 2 and layer.weight is weight


def test_check_passes_a_right_layer_and_names_unused_parameters():
    class Unused(nn.Module):
        def __init__(self):
            self.used, self.idle = nn.Linear(3, 2), nn.Parameter(hg.ones(1))

        def forward(self, x):
            return self.used(x).tanh()

    report = hg.check(Unused(), hg.randn(2, 3))
    assert report and "parameter idle gets no gradient" in repr(report)


def test_check_names_hidden_leaves():
    loose = hg.ones(2, dtype=hg.float64, requires_grad=True)

    class Hidden(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(hg.ones(2))

        def forward(self, x):
            return x * self.scale * loose

    assert "leaf of shape (2,) requires a gradient but is no parameter" in repr(hg.check(Hidden(), hg.randn(3, 2)))
