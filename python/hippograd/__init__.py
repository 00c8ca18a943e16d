"""hippograd: autodiff tensors, state space layers and vision-language models.   import hippograd as hg

The names are PyTorch's: functions on tensors stand here, layers in hippograd.nn, optimizers in hippograd.optim, gradients in
hippograd.autograd. Compiled functions come from the extension `_C`, the long tail from `_functions.py`.
"""
from . import _processor

_processor.check()

from . import _C, _functions, _tensor  # noqa: E402

_tensor.install()
_functions.install()
globals().update({name: value for name, value in vars(_C).items() if not name.startswith("_")})

from . import _build, autograd, backends, cuda, fft, func, linalg, special, utils  # noqa: E402
from . import distributions, nn, optim, testing  # noqa: E402
from . import ssm, train, vlm  # noqa: E402
from . import _compat  # noqa: E402
from ._check import check  # noqa: E402
from ._compat import (BoolTensor, ByteTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor, accelerator,  # noqa: E402
                      amp, are_deterministic_algorithms_enabled, autocast, compile, get_autocast_dtype, get_float32_matmul_precision, is_autocast_enabled,
                      is_warn_always_enabled, jit, mps, profiler, reference_mode, set_default_device, set_default_tensor_type, set_flush_denormal,
                      set_float32_matmul_precision, use_deterministic_algorithms, version)
from .fft import istft, stft  # noqa: E402
from ._repr import get_printoptions, set_printoptions  # noqa: E402
from .autograd import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402
from .func import vmap  # noqa: E402
from .serialization import load, save  # noqa: E402

from .nn.functional import (alpha_dropout, batch_norm, bilinear, binary_cross_entropy_with_logits, celu_, channel_shuffle,  # noqa: E402
                            cosine_embedding_loss, cosine_similarity, ctc_loss, embedding_bag, group_norm, hinge_embedding_loss,
                            instance_norm, kl_div, margin_ranking_loss, pairwise_distance, pdist, poisson_nll_loss, prelu, rrelu, rrelu_,
                            selu_, threshold_, triplet_margin_loss)

__version__ = _build.version
inf, nan, pi, e, newaxis = _compat.inf, _compat.nan, _compat.pi, _compat.e, None
strided, contiguous_format, preserve_format, channels_last = "strided", "contiguous_format", "preserve_format", "channels_last"
typename = _compat.typename
random = _compat.random
GradScaler = amp.GradScaler


def __getattr__(name):
    if name in _compat.MISSING_DTYPES:
        raise AttributeError(f"hippograd has no dtype {name}; it has float32, float64, float16, bfloat16, complex64, complex128, int64, "
                             "int32, uint8 and bool")
    raise AttributeError(f"module 'hippograd' has no attribute '{name}'")
