"""Every model of the spine trains on CUDA as on the CPU: 50 steps in f32, losses within 1e-4 of each other, eager and captured."""
import pytest

import hippograd as hg
from hippograd.train import AdamW, decay_matrices_only

pytestmark = pytest.mark.skipif(not hg.cuda.is_available(), reason="no CUDA device")
F = hg.nn.functional
STEPS = 50


def mlp(device):
    model = hg.nn.Sequential(hg.nn.Linear(12, 32), hg.nn.Tanh(), hg.nn.Linear(32, 5)).to(device)
    return model, lambda x, t: F.cross_entropy(model(x), t), (hg.randn(32, 12), hg.randint(0, 5, (32,)))


def cnn(device):
    model = hg.nn.Sequential(hg.nn.Conv2d(3, 8, 3, stride=2, padding=1), hg.nn.BatchNorm2d(8), hg.nn.ReLU(), hg.nn.MaxPool2d(2),
                             hg.nn.Conv2d(8, 16, 3, padding=1, groups=2), hg.nn.GELU(), hg.nn.AdaptiveAvgPool2d(1), hg.nn.Flatten(),
                             hg.nn.Linear(16, 4)).to(device)
    return model, lambda x, t: F.cross_entropy(model(x), t), (hg.randn(8, 3, 16, 16), hg.randint(0, 4, (8,)))


def transformer(device):
    class Net(hg.nn.Module):
        def __init__(self):
            self.embed = hg.nn.Embedding(17, 24)
            self.body = hg.nn.TransformerEncoder(hg.nn.TransformerEncoderLayer(24, 4, 48, dropout=0.0, batch_first=True, norm_first=True), 2)
            self.head = hg.nn.Linear(24, 17)

        def forward(self, tokens):
            return self.head(self.body(self.embed(tokens)))

    model = Net().to(device)
    return model, lambda x, t: F.cross_entropy(model(x).flatten(0, 1), t.flatten()), (hg.randint(0, 17, (6, 10)), hg.randint(0, 17, (6, 10)))


def mamba(device):
    class Net(hg.nn.Module):
        def __init__(self):
            self.mixer = hg.ssm.MambaLayer(d_model=16, d_state=8)
            self.norm = hg.nn.LayerNorm(16)
            self.head = hg.nn.Linear(16, 3)

        def forward(self, x):
            return self.head(self.norm(x + self.mixer(x)).mean(1))

    model = Net().to(device)
    return model, lambda x, t: F.cross_entropy(model(x), t), (hg.randn(5, 33, 16), hg.randint(0, 3, (5,)))


def enhanced_vlm(device):
    from hippograd.vlm import EnhancedVLM, VLMConfig

    config = VLMConfig.easy_vqa()
    model = EnhancedVLM(config, device=device)
    batch = hg.randn(4, 3, config.img_size, config.img_size), hg.randint(1, 20, (8, 12)), hg.randint(1, 20, (8, 12))
    return model, lambda *b: model(*b)[1], batch


def curve(make, device, captured=False):
    hg.manual_seed(0)
    model, loss_of, batch = make(device)
    batch = tuple(t.to(device) for t in batch)
    optimizer = AdamW(decay_matrices_only(model, 0.01))
    optimizer.lr = 1e-3

    def step(*batch):
        loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(max_norm=1.0)
        return loss

    step = hg.cuda.capture(step) if captured else step
    return [step(*batch).item() for _ in range(STEPS)]


@pytest.mark.parametrize("make", [mlp, cnn, transformer, mamba, enhanced_vlm])
def test_cuda_gives_the_cpus_losses(make):
    here, there = curve(make, "cpu"), curve(make, "cuda")
    assert here[-1] < here[0]
    for step, (a, b) in enumerate(zip(here, there)):
        assert abs(a - b) <= 1e-4 * abs(a), f"step {step}: cpu {a}, cuda {b}"
    assert there == curve(make, "cuda"), "the same bits twice"
    assert there == curve(make, "cuda", captured=True), "and captured"


@pytest.mark.parametrize("make", [mlp, transformer, mamba, enhanced_vlm])
def test_autocast_trains(make):
    hg.manual_seed(0)
    model, loss_of, batch = make("cuda")
    batch = tuple(t.cuda() for t in batch)
    optimizer = AdamW(decay_matrices_only(model, 0.01))
    losses = []
    for _ in range(STEPS):
        with hg.autocast("cuda"):
            loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(1e-3, max_norm=1.0)
        losses.append(loss.item())
    exact = curve(make, "cuda")
    assert losses[-1] < losses[0] and abs(losses[-1] - exact[-1]) < 0.05 * abs(exact[0])


def test_the_models_generate_on_cuda():
    from hippograd.vlm import EnhancedVLM, VLMConfig

    hg.manual_seed(1)
    config = VLMConfig.easy_vqa()
    model = EnhancedVLM(config).eval()
    images, tokens = hg.randn(2, 3, config.img_size, config.img_size), hg.randint(1, 20, (2, 5))
    here = model.generate(images, tokens, temperature=0.0, max_length=9)
    model.cuda()
    there = model.generate(images.cuda(), tokens.cuda(), temperature=0.0, max_length=9)
    assert here.cpu().tolist() == there.cpu().tolist()


def test_the_demo_on_a_device():
    pytest.importorskip("easy_vqa")
    from hippograd import demo
    from hippograd.vlm import EasyVQA

    data, _ = EasyVQA.load()
    curves = []
    for device in ("cpu", "cuda"):
        losses = []
        demo.train(data, 0, 30, device, on_step=lambda step, loss, *_: losses.append(loss))
        curves.append(losses)
    assert len(curves[0]) == len(curves[1]) == 30
    for a, b in zip(*curves):
        assert abs(a - b) <= 1e-4 * abs(a)
