"""Layers with inputs, and what comes out reduced to a few numbers: one table for PyTorch and for hippograd.

`digest(library, case)` builds the layer, fills parameters and inputs with fixed numbers, runs it forward and backward in float64 and
returns [projection of each output, of the gradient of each input and parameter, of each floating buffer]. A projection is the inner
product with cosines of the element numbers, so no element can be wrong unseen. tools/make_layer_expectations.py stores PyTorch's.
"""
import math

# A case: (name, expression of the layer, expressions of its inputs[, "eval"]).
# r(*shape): reals, p(*shape): positive reals below 1, s(*shape): +-1, i(high, *shape): integers; t: the library.
CASES = []


def case(layer, *inputs, mode="train"):
    CASES.append((f"{len(CASES):03d} {layer} {mode}", layer, inputs, mode))


for layer in ("Linear(5, 3)", "Linear(5, 3, bias=False)"):
    case(layer, "r(2, 4, 5)")
case("Bilinear(3, 4, 5)", "r(2, 6, 3)", "r(2, 6, 4)")
case("Embedding(10, 3, padding_idx=2)", "i(10, 4, 5)")
for mode in ("sum", "mean", "max"):
    case(f"EmbeddingBag(10, 3, mode='{mode}')", "i(10, 4, 5)")
    case(f"EmbeddingBag(10, 3, mode='{mode}')", "i(10, 9)", "t.tensor([0, 3, 3])")
for name in ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Sigmoid", "Tanh", "Softsign", "Tanhshrink", "LogSigmoid",
             "LeakyReLU", "ELU", "CELU", "GELU", "Softplus", "Hardtanh", "Hardshrink", "Softshrink", "PReLU", "GLU"):
    case(name + "()", "5 * r(2, 3, 8)")
    case(name + "()", "t.tensor([[-100., -25, -6, -3, -1, -.5, 0, .5, 1, 3, 6, 25]], dtype=t.float64)")
for layer in ("GELU('tanh')", "ELU(2.0)", "CELU(2.0)", "Softplus(2.0, 5.0)", "Threshold(0.1, 20.0)", "PReLU(3)", "Softmax(1)",
              "LogSoftmax(-1)", "Softmin(1)"):
    case(layer, "3 * r(2, 3, 8)")
case("RReLU()", "r(2, 3)", mode="eval")
for layer in ("LayerNorm(6)", "LayerNorm((3, 6), bias=False)", "LayerNorm(6, elementwise_affine=False)", "RMSNorm(6)",
              "RMSNorm((3, 6), eps=1e-3)", "LocalResponseNorm(2)"):
    case(layer, "r(2, 3, 6)")
case("GroupNorm(2, 6)", "r(2, 6, 4, 3)")
case("GroupNorm(3, 6, affine=False)", "r(2, 6)")
for mode in ("train", "eval"):
    for options in ("", ", affine=False", ", track_running_stats=False", ", momentum=None"):
        case(f"BatchNorm1d(4{options})", "r(5, 4)", mode=mode)
        case(f"BatchNorm2d(4{options})", "r(3, 4, 3, 2)", mode=mode)
    for options in ("", ", affine=True", ", track_running_stats=True"):
        case(f"InstanceNorm1d(4{options})", "r(2, 4, 5)", mode=mode)
        case(f"InstanceNorm2d(4{options})", "r(2, 4, 3, 2)", mode=mode)
for options in ("", ", stride=2, padding=1", ", dilation=2, groups=2", ", padding='same'", ", padding=2, padding_mode='circular'",
                ", padding=1, padding_mode='reflect', bias=False", ", padding=1, padding_mode='replicate'"):
    case(f"Conv1d(4, 6, 3{options})", "r(2, 4, 9)")
    case(f"Conv2d(4, 6, 3{options})", "r(2, 4, 7, 6)")
    case(f"Conv3d(4, 2, 3{options})", "r(1, 4, 5, 5, 6)")
case("Conv1d(4, 6, 4, padding='same')", "r(4, 9)")
case("Conv2d(4, 6, (3, 2), (2, 1), (1, 0))", "r(4, 7, 7)")
for options in ("", ", stride=2, padding=1", ", stride=3, output_padding=1", ", dilation=2, groups=2", ", stride=2, padding=3"):
    case(f"ConvTranspose1d(4, 6, 3{options})", "r(2, 4, 5)")
    case(f"ConvTranspose2d(4, 6, 3{options})", "r(2, 4, 5, 4)")
case("ConvTranspose3d(2, 4, 2, stride=2)", "r(1, 2, 3, 4, 3)")
for options in ("", ", stride=2", ", stride=2, padding=1", ", stride=2, padding=1, ceil_mode=True"):
    for dims, shape in (("1d", "2, 3, 9"), ("2d", "2, 3, 6, 8"), ("3d", "2, 2, 5, 6, 7")):
        case(f"MaxPool{dims}(3{options})", f"r({shape})")
        case(f"AvgPool{dims}(3{options})", f"r({shape})")
        case(f"AvgPool{dims}(3{options}, count_include_pad=False)", f"r({shape})")
    case(f"MaxPool2d(3{options}, return_indices=True)", "r(2, 3, 9, 8)")
case("MaxPool2d(2, dilation=2)", "r(3, 9, 8)")
case("AvgPool2d(2, divisor_override=3)", "r(2, 3, 6, 8)")
for size in (1, 3, 5, 7):
    case(f"AdaptiveAvgPool1d({size})", "r(2, 3, 7)")
    case(f"AdaptiveAvgPool2d(({size}, None))", "r(2, 3, 7, 5)")
    case(f"AdaptiveMaxPool1d({size})", "r(2, 3, 7)")
    case(f"AdaptiveMaxPool2d(({size}, 3), return_indices=True)", "r(2, 3, 7, 5)")
case("LPPool1d(2, 3)", "r(2, 3, 9)")
case("LPPool2d(2, 3, stride=2)", "p(2, 3, 9, 9)")
for mode, shape in (("nearest", "2, 3, 5"), ("nearest-exact", "2, 3, 5, 4"), ("area", "2, 3, 5, 4"), ("linear", "2, 3, 5"),
                    ("bilinear", "2, 3, 5, 4"), ("bicubic", "2, 3, 5, 4"), ("trilinear", "1, 2, 3, 4, 2")):
    case(f"Upsample(scale_factor=2, mode='{mode}')", f"r({shape})")
    case(f"Upsample(scale_factor=1.7, mode='{mode}')", f"r({shape})")
    if "linear" in mode or "cubic" in mode:
        case(f"Upsample(scale_factor=1.7, mode='{mode}', align_corners=True)", f"r({shape})")
case("PixelShuffle(2)", "r(2, 8, 3, 2)")
case("PixelUnshuffle(2)", "r(2, 3, 4, 6)")
case("ChannelShuffle(2)", "r(2, 6, 3)")
for options in ("", ", padding=1, stride=2", ", dilation=2"):
    case(f"Unfold((2, 3){options})", "r(2, 3, 6, 7)")
case("Fold((6, 7), (2, 3))", "r(2, 18, 25)")
case("Fold((6, 7), (2, 3), padding=1, stride=2)", "r(2, 18, 16)")
for dims, shape in (("1d", "2, 3, 5"), ("2d", "2, 3, 5, 6"), ("3d", "1, 2, 4, 4, 5")):
    for name in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
        case(f"{name}{dims}(2)", f"r({shape})")
    case(f"ConstantPad{dims}(1, 3.5)", f"r({shape})")
case("ZeroPad2d((1, -1, 0, 2))", "r(2, 3, 5, 6)")
for name in ("RNN", "LSTM", "GRU"):
    for options in ("", ", num_layers=2, bidirectional=True", ", batch_first=True, bias=False"):
        case(f"{name}(3, 4{options})", "r(5, 2, 3)")
    case(f"{name}(3, 4)", "r(5, 3)")
    case(f"{name}(3, 4)", "r(5, 2, 3)", "(r(1, 2, 4), r(1, 2, 4))" if name == "LSTM" else "r(1, 2, 4)")
    case(f"{name}Cell(3, 4)", "r(2, 3)")
case("RNN(3, 4, nonlinearity='relu')", "r(5, 2, 3)")
HIDDEN = "t.tensor([[0, 0, 0, 0, 1], [0, 0, 0, 1, 1]]).bool()"
case("MultiheadAttention(8, 2)", "r(5, 2, 8)", "r(6, 2, 8)", "r(6, 2, 8)")
case("MultiheadAttention(8, 2, batch_first=True, kdim=3, vdim=5)", "r(2, 5, 8)", "r(2, 6, 3)", "r(2, 6, 5)")
case("MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, bias=False)", "r(5, 8)", "r(5, 8)", "r(5, 8)")
for need_weights in ("True", "False"):
    case("MultiheadAttention(8, 2)", "r(5, 2, 8)", "r(5, 2, 8)", "r(5, 2, 8)", HIDDEN, need_weights,
         "t.ones(5, 5).triu(1).bool()")
for options in ("", ", norm_first=True, activation='gelu'", ", batch_first=True, bias=False"):
    case(f"TransformerEncoderLayer(8, 2, 16, dropout=0.0{options})", "r(5, 2, 8)")
    case(f"TransformerDecoderLayer(8, 2, 16, dropout=0.0{options})", "r(5, 2, 8)", "r(5, 2, 8)")
    case(f"Transformer(8, 2, 2, 2, 16, dropout=0.0{options})", "r(5, 2, 8)", "r(5, 2, 8)")
for how in ("mean", "sum", "none"):
    end = f"reduction='{how}')"
    for name in ("MSELoss(", "L1Loss(", "SmoothL1Loss(", "SmoothL1Loss(beta=0.3, ", "HuberLoss(", "HuberLoss(delta=0.3, ",
                 "BCEWithLogitsLoss("):
        case(name + end, "3 * r(4, 3)", "p(4, 3)")
    for options in ("", "label_smoothing=0.1, ", "weight=p(3), ", "ignore_index=1, ", "weight=p(3), ignore_index=1, label_smoothing=0.1, "):
        case(f"CrossEntropyLoss({options}{end}", "r(4, 3)", "i(3, 4)")
        case(f"CrossEntropyLoss({options}{end}", "r(4, 3, 2)", "i(3, 4, 2)")
    case(f"CrossEntropyLoss(weight=p(3), label_smoothing=0.1, {end}", "r(4, 3, 5)", "r(4, 3, 5).softmax(1)")
    case(f"NLLLoss(weight=p(3), ignore_index=0, {end}", "r(4, 3)", "i(3, 4)")
    case(f"NLLLoss({end}", "r(4, 3, 5)", "i(3, 4, 5)")
    case(f"BCELoss({end}", "p(4, 3)", "p(4, 3)")
    case(f"BCEWithLogitsLoss(weight=p(3), pos_weight=p(3), {end}", "50 * r(4, 3)", "p(4, 3)")
    case(f"KLDivLoss({end}", "r(4, 3).log_softmax(1)", "r(4, 3).softmax(1)")
    case(f"KLDivLoss(log_target=True, {end}", "r(4, 3).log_softmax(1)", "r(4, 3).log_softmax(1)")
    case(f"PoissonNLLLoss(full=True, {end}", "r(4, 3)", "5 * p(4, 3)")
    case(f"GaussianNLLLoss(full=True, {end}", "r(4, 3)", "r(4, 3)", "p(4, 3)")
    case(f"HingeEmbeddingLoss({end}", "r(4, 3)", "s(4, 3)")
    case(f"CosineEmbeddingLoss(margin=0.1, {end}", "r(4, 3)", "p(4, 3)", "s(4)")
    case(f"MarginRankingLoss(margin=0.1, {end}", "r(4)", "p(4)", "s(4)")
    case(f"SoftMarginLoss({end}", "r(4, 3)", "i(2, 4, 3) * 2 - 1")
    case(f"MultiMarginLoss(p=2, weight=p(3), {end}", "r(4, 3)", "i(3, 4)")
    case(f"MultiLabelSoftMarginLoss({end}", "r(4, 3)", "i(2, 4, 3)")
    case(f"MultiLabelMarginLoss({end}", "r(3, 4)", "t.tensor([[3, 0, -1, 1], [1, -1, 0, 0], [-1, 0, 0, 0]])")
    case(f"TripletMarginLoss(swap=True, {end}", "r(4, 3)", "p(4, 3)", "2 * r(4, 3)")
    case(f"CTCLoss({end}", "r(9, 3, 5)", "i(4, 3, 4) + 1", "t.tensor([9, 8, 9])", "t.tensor([4, 2, 3])")
case("KLDivLoss(reduction='batchmean')", "r(4, 3).log_softmax(1)", "r(4, 3).softmax(1)")
case("CosineSimilarity()", "r(4, 3)", "p(4, 3)")
case("PairwiseDistance()", "r(4, 3)", "p(4, 3)")


class Numbers:
    """Fixed numbers: element k of the n-th tensor asked for is a fraction that looks random."""

    def __init__(self, library):
        self.t, self.count = library, 0

    def _fractions(self, shape):
        self.count += 1
        values = [math.modf(abs(math.sin(12.9898 * (k + 1) + 78.233 * self.count)) * 43758.5453)[0] for k in
                  range(math.prod(shape))]
        return self.t.tensor(values, dtype=self.t.float64).reshape(shape)

    def p(self, *shape):
        return self._fractions(shape) * 0.98 + 0.01

    def r(self, *shape):
        return self._fractions(shape) * 2 - 1

    def s(self, *shape):
        return (self._fractions(shape) > 0.5).to(self.t.float64) * 2 - 1

    def i(self, high, *shape):
        return (self._fractions(shape) * high).to(self.t.int64)


def project(tensor):
    """One number that depends on every element."""
    values = tensor.detach().double().reshape(-1).tolist()
    return math.fsum(v * math.cos(0.7 + 1.3 * k) for k, v in enumerate(values))


def tensors_in(library, tree):
    if isinstance(tree, library.Tensor):
        return [tree]
    return [t for part in tree for t in tensors_in(library, part)] if isinstance(tree, (tuple, list)) else []


def digest(library, layer, inputs, mode):
    numbers = Numbers(library)
    names = {"t": library, "r": numbers.r, "p": numbers.p, "s": numbers.s, "i": numbers.i}
    module = eval("t.nn." + layer, names).double()
    module.train(mode == "train")
    with library.no_grad():
        for parameter in module.parameters():
            parameter.copy_(numbers.r(*parameter.shape) * 0.7)
    arguments = [eval(text, names) for text in inputs]
    for x in tensors_in(library, arguments[:2] if "Loss" not in layer else arguments[:1]):
        if x.is_floating_point():
            x.requires_grad_()
    called = list(arguments)
    if "CTC" in layer:  # PyTorch's gradient is right only together with the log_softmax before it
        called[0] = called[0].log_softmax(2)
    outputs = tensors_in(library, module(*called))
    real = [y for y in outputs if y.requires_grad]
    cotangents = [numbers.r(*y.shape) for y in real]
    leaves = [x for x in tensors_in(library, arguments) if x.requires_grad] + list(module.parameters())
    grads = library.autograd.grad(real, leaves, cotangents, allow_unused=True)
    result = [project(y) for y in outputs]
    result += [0.0 if g is None else project(g) for g in grads]
    return result + [project(b) for b in module.buffers() if b.is_floating_point()]
