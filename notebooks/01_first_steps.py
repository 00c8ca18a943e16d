# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # First steps
#
# Tensors, the tape, gradients, a wrong backward and how it is caught, and a scan one step at a time.
# Open this file with Jupyter (the jupytext extension shows it as a notebook) or run it as a script.

# %%
import matplotlib.pyplot as plt
import numpy as np

import hippograd as hg
import hippograd.nn as nn
from hippograd import plots

hg.manual_seed(0)
print("hippograd", hg.__version__, "on", hg.get_num_threads(), "threads")

# %% [markdown]
# ## Tensors
#
# The names are PyTorch's. A view shares its storage with the tensor it was cut from; NumPy shares it too, both ways.

# %%
x = hg.arange(12.0).reshape(3, 4)
column = x[:, 1]                       # a view: no copy
column += 100
x

# %%
as_numpy = x.numpy()                   # the same memory
as_numpy[0, 0] = -1
print("x[0, 0] is now", x[0, 0].item())
print("shape", tuple(x.shape), " stride", x.stride(), " of the transpose", x.T.stride(), " dtype", x.dtype)

# %% [markdown]
# Mistakes are told in words, before anything is computed:

# %%
try:
    x @ hg.ones(3, 2)
except RuntimeError as error:
    print(error)

# %% [markdown]
# ## The tape
#
# An op on a tensor that requires a gradient leaves a node behind. The node knows its inputs and keeps what its backward needs.
# `plots.tape` walks these nodes from the result back to the leaves:

# %%
x = hg.randn(5, 3)
w = hg.randn(3, 2, requires_grad=True)
b = hg.zeros(2, requires_grad=True)

h = hg.tanh(x @ w + b)                 # (5, 2)
loss = (h * h.mean(0)).sum()
tape = plots.tape(loss, w=w, b=b)
tape

# %% [markdown]
# `h` is used twice, so two gradients meet at `Tanh` and are added before its backward runs. The same as a
# list, each node after its inputs. Backward takes the youngest pending node, calls it, and hands the results to its inputs,
# until only leaves are left:

# %%
print(tape)

# %%
loss.backward()
print("dL/dw =\n", w.grad)

# %% [markdown]
# One entry by hand, as a central difference of the loss. In single precision it agrees to about four digits:

# %%
def loss_at(w):
    h = hg.tanh(x @ w + b)
    return (h * h.mean(0)).sum()


with hg.no_grad():
    step = hg.zeros(3, 2)
    step[1, 0] = 1e-2
    numeric = (loss_at(w + step) - loss_at(w - step)) / 2e-2
print(f"numeric {numeric.item():.5f}   backward {w.grad[1, 0].item():.5f}")

# %% [markdown]
# ## Gradients at work
#
# A layer is a class with a `forward`. Its parameters are found by walking its attributes; nothing has to be registered.

# %%
class Curve(nn.Module):
    def __init__(self, width):
        self.hidden = nn.Linear(1, width)
        self.out = nn.Linear(width, 1)

    def forward(self, t):
        return self.out(hg.tanh(self.hidden(t)))


t = hg.linspace(-3, 3, 200).reshape(-1, 1)
target = hg.sin(2 * t) * hg.exp(-t * t / 8)
model = Curve(32)
optimizer = hg.optim.AdamW(model.parameters(), lr=1e-2)
losses = []
for step in range(600):
    loss = ((model(t) - target) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
left.semilogy(losses)
left.set(xlabel="step", ylabel="mean squared error")
right.plot(t.numpy(), target.numpy(), label="target", color="0.6", lw=4)
right.plot(t.numpy(), model(t).detach().numpy(), label="model", color="tab:red")
right.legend()
plt.show()

# %% [markdown]
# ## A wrong backward is caught
#
# Here is an op of our own: every row divided by its length,
#
#     y = x / r,   r = sqrt(sum_c x_c^2)          dx = (dy - y (y . dy)) / r
#
# The backward below forgets the second term, as if `r` did not depend on `x`. It looks plausible, has the right shape, and a
# network with it even trains, badly.

# %%
class Normalise(hg.autograd.Function):
    """x / |x|, row by row"""
    samples = [((2, 3),), ((4, 1),), ((2, 2, 5),)]        # shapes that hg.check tries

    @staticmethod
    def forward(ctx, x):
        r = (x * x).sum(-1, keepdim=True).sqrt()
        ctx.save_for_backward(x)
        return x / r

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved_tensors
        r = (x * x).sum(-1, keepdim=True).sqrt()
        return dy / r                                     # wrong


try:
    hg.check(Normalise)
except hg.autograd.GradcheckError as error:
    print(error)

# %% [markdown]
# `hg.check` compares, in double precision, the derivative of every output entry by every input entry with central differences.
# The last lines name the entry that is most wrong. The two matrices tell more: the error is spread over each row of `x` and never
# crosses to another row, so the term that is missing mixes the entries of one row. With it:

# %%
class Normalise(hg.autograd.Function):
    """x / |x|, row by row"""
    samples = [((2, 3),), ((4, 1),), ((2, 2, 5),)]

    @staticmethod
    def forward(ctx, x):
        y = x / (x * x).sum(-1, keepdim=True).sqrt()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        r = (x * x).sum(-1, keepdim=True).sqrt()
        return (dy - y * (y * dy).sum(-1, keepdim=True)) / r


hg.check(Normalise)

# %% [markdown]
# Why not simply compare the gradient of `f(x).sum()`? Because such a check is blind. The entries of a softmax always sum to 1, so
# the true gradient of their sum is 0, and a backward that returns nothing but zeros passes:

# %%
class ZeroSoftmax(hg.autograd.Function):
    """softmax whose backward is forgotten"""
    samples = [((2, 3),)]

    @staticmethod
    def forward(ctx, x):
        return hg.softmax(x, -1)

    @staticmethod
    def backward(ctx, dy):
        return hg.zeros_like(dy)


x = hg.randn(2, 3, dtype=hg.float64, requires_grad=True)
print("check of the sum:  ", hg.autograd.gradcheck(lambda x: ZeroSoftmax.apply(x).sum(), [x]))
try:
    hg.check(ZeroSoftmax)
except hg.autograd.GradcheckError as error:
    print("check of each entry:", *str(error).splitlines()[-2:], sep="\n")

# %% [markdown]
# The library's own ops go through twelve such checks, with random cotangents, views, aliases, planted canaries and second
# derivatives, for every sample in the op table. One op at a time:

# %%
hg.check("softmax")

# %% [markdown]
# ## A scan, step by step
#
# State space models are built on a linear recurrence, here with one decay per channel:
#
#     h_t = a h_{t-1} + x_t
#
# `linear_scan` runs it over a whole sequence in one kernel. The loop below is the same thing, and shows the state as it goes.
# A single pulse enters at step 2:

# %%
decay = hg.tensor([0.5, 0.8, 0.95])                       # (D,)
x = hg.zeros(1, 8, 3)                                     # (B, L, D)
x[0, 2] = 1.0

h = hg.zeros(3)                                           # (D,)
steps = []
for step in range(8):
    h = decay * h + x[0, step]
    steps.append(h)
    print(f"t = {step}   x = {x[0, step, 0].item():.0f}   h =", "  ".join(f"{v:.4f}" for v in h.tolist()))

scan = hg.linear_scan(decay.expand_as(x), x)              # (B, L, D)
print("the kernel gives the same:", hg.allclose(scan[0], hg.stack(steps)))

# %% [markdown]
# The decay is the length of the memory: `k` steps after a pulse, `a^k` of it is left. With a longer sequence of pulses:

# %%
L = 120
x = hg.zeros(1, L, 3)
x[0, [10, 14, 50, 90]] = 1.0
h = hg.linear_scan(decay.expand_as(x), x)
figure, axes = plt.subplots(figsize=(10, 2.8), layout="constrained")
for d, value in enumerate(decay.tolist()):
    axes.plot(h[0, :, d].numpy(), label=f"a = {value:g}")
axes.vlines(np.nonzero(x[0, :, 0].numpy())[0], 0, 0.25, color="black", lw=2, label="pulses")
axes.set(xlabel="t", ylabel="state")
axes.legend()
plt.show()

# %% [markdown]
# Mamba's *selective* scan lets each step choose its own decay: `delta_t` is computed from the input, and
#
#     h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t          y_t = C_t . h_t
#
# With `selective_scan_step` we follow the state `h` (one channel, N = 2) from token to token. A large `delta` at t = 3 makes the
# layer forget what was before and take in the new token:

# %%
L, D, N = 6, 1, 2
u = hg.ones(1, L, D)                                      # (B, L, D)
delta = hg.tensor([0.1, 0.1, 0.1, 3.0, 0.1, 0.1]).reshape(1, L, D)
A = hg.tensor([[-1.0, -0.2]])                             # (D, N)
B = hg.randn(1, L, N)                                     # (B, L, N)
C = hg.randn(1, L, N)

h = hg.zeros(1, D, N)                                     # (B, D, N)
ys = []
for step in range(L):
    y, h = hg.selective_scan_step(u[:, step], delta[:, step], A, B[:, step], C[:, step], state=h)
    ys.append(y)
    kept = hg.exp(delta[0, step, 0] * A[0])
    print(f"t = {step}   kept of the old state: {kept[0].item():.2f} {kept[1].item():.2f}   "
          f"h = {h[0, 0, 0].item():+.4f} {h[0, 0, 1].item():+.4f}   y = {y.item():+.4f}")

out, last = hg.selective_scan(u, delta, A, B, C, return_last_state=True)
print("one call over the sequence gives the same:", hg.allclose(out, hg.stack(ys, 1), atol=1e-6))
print("and ends in the same state:", hg.allclose(last, h, atol=1e-6))

# %% [markdown]
# ## Kernel and reference
#
# A fused op leaves one node on the tape. It also has a *reference*: the same mathematics in plain ops, slow and readable. In
# `reference_mode` every such op runs its reference, so that the tape and a debugger show each step:

# %%
a = hg.full((1, 3, 2), 0.9)
x = hg.randn(1, 3, 2, requires_grad=True)
fused = hg.linear_scan(a, x)
plots.tape(fused.sum(), x=x)

# %%
with hg.reference_mode():
    plain = hg.linear_scan(a, x)
print("largest difference:", (fused - plain).abs().max().item())
plots.tape(plain.sum(), x=x)

# %% [markdown]
# The reference is also what the op table's tests compare the kernel with, what runs on a device that has no kernel yet, and what
# is differentiated when a second derivative is asked for:

# %%
(first,) = hg.autograd.grad(hg.linear_scan(a * x.sigmoid(), x).square().sum(), x, create_graph=True)
(second,) = hg.autograd.grad(first.square().sum(), x)
second

# %% [markdown]
# ## When something goes wrong
#
# A tensor that a backward still needs was changed in place:

# %%
w = hg.randn(3, requires_grad=True)
y = w.exp()
z = (y * y).sum()
y.add_(1)
try:
    z.backward()
except RuntimeError as error:
    print(error)

# %% [markdown]
# A NaN appears somewhere. With `detect_anomaly` the error names the op where it arose first:

# %%
v = hg.tensor([1.0, -1.0], requires_grad=True)
try:
    with hg.autograd.detect_anomaly():
        hg.log(v).sum().backward()
except RuntimeError as error:
    print(error)
