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
# # The demo's model, step by step
#
# A picture of 64 x 64 pixels, a question in words, an answer in words. The model is small (423,232 parameters), and every part of
# it can be recomputed here from its weights, in a few lines each:
#
#     picture (3, 64, 64) -> stem -> 64 tokens -> attention block -> SSM bridge -> V (64 tokens)
#     question (T words)  -> embedding -> cross-attention to V -> two causal blocks -> next word
#
# With the weights of `./setup demo`, if they are there; else it is trained here for a short while, so that numbers and pictures
# below are those of a beginner.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import hippograd as hg
import hippograd.nn.functional as F
from hippograd.demo import train
from hippograd.vlm import EasyVQA, EnhancedVLM, VLMConfig, evaluate

data, test = EasyVQA.load()
places = ("demo/model.safetensors", "../demo/model.safetensors")
weights = next((path for path in places if os.path.exists(path)), None)
if weights:
    model = EnhancedVLM(VLMConfig.easy_vqa())
    model.load_state_dict(hg.load(weights))
    print("weights from", weights)
else:
    model = train(data, seed=0, steps=300)
    print("trained for 300 steps")
model.eval()

(correct, asked), kinds, answers = evaluate(model, test)
print(f"{correct} of {asked} questions about held-out pictures are answered right")
print(f"    all      {100 * correct / asked:6.2f} %")
for kind, (r, n) in kinds.items():
    print(f"    {kind:<8} {100 * r / n:6.2f} %   of {n}")

# %% [markdown]
# ## One picture, one question

# %%
question = next(i for i in range(len(test))
                if test.question(i).startswith("what color") and answers[i] == test.answer(i))
picture = test.picture_of(question)
pixels = test.pictures[picture].permute(1, 2, 0).numpy()      # (64, 64, 3), 0 .. 255
image = test.images([picture])                                # (1, 3, 64, 64), standardised
prompt = hg.tensor([test.prompt(question)])                   # (1, T): [BOS] and the words
words = [data.vocabulary.words[i] for i in prompt[0].tolist()]

with hg.no_grad():
    generated = model.generate(image, prompt, temperature=0, eos=2, max_new_tokens=3)
print("question:", test.question(question))
print("tokens:  ", prompt[0].tolist(), words)
said = data.vocabulary.decode(generated[0, prompt.shape[1]:].tolist())
print("answer:  ", said, "  right:", test.answer(question))

figure, axes = plt.subplots(figsize=(2.6, 2.6), layout="constrained")
axes.imshow(pixels)
edges = np.arange(-0.5, 64, 8)
axes.set(xticks=edges, yticks=edges, xticklabels=[], yticklabels=[])
axes.set_title("the picture and its 8 x 8 tokens", fontsize=9)
axes.grid(color="0.7", lw=0.6)
axes.tick_params(length=0)
plt.show()

# %% [markdown]
# ## From pixels to tokens
#
# Three convolutions of stride 2 turn the picture into 8 x 8 places with 96 channels each; a place is a token. One attention block
# lets the tokens look at each other. `p` is the dictionary of the model's parameters; the four functions
# below are all that is needed.

# %%
p = {name: parameter.detach() for name, parameter in model.named_parameters()}


def linear(name, x):
    return F.linear(x, p[name + ".weight"], p[name + ".bias"])


def norm(name, x):
    return F.layer_norm(x, (x.shape[-1],), p[name + ".weight"], p[name + ".bias"])


def attention(name, x, memory, heads=4):
    """Weights (heads, T, M) and output (1, T, D): one key and value head serves all query heads."""
    T, M = x.shape[1], memory.shape[1]
    q = linear(name + ".q_proj", x).reshape(T, heads, -1).transpose(0, 1)             # (heads, T, P)
    k, v = (linear(f"{name}.{part}_proj", memory)[0] for part in "kv")                # (M, P)
    a = hg.softmax(q @ k.T / q.shape[-1] ** 0.5, -1)                                  # (heads, T, M)
    y = (a @ v).transpose(0, 1).reshape(1, T, -1)                                     # (1, T, D)
    return a, linear(name + ".o_proj", y)


def feed_forward(name, x):
    n = norm(name + ".layer_norm", x)
    return x + linear(name + ".w3", F.silu(linear(name + ".w1", n)) * linear(name + ".w2", n))


x = image
for i in range(3):
    x = F.gelu(F.conv2d(x, p[f"vit.stem.{i}.weight"], p[f"vit.stem.{i}.bias"], stride=2, padding=1))
    print(f"after convolution {i}: {tuple(x.shape)}")
x = x.flatten(2).transpose(1, 2) + p["vit.pos_embed"]                                 # (1, 64, 96)
n = norm("vit.blocks.0.ln1", x)
seen, y = attention("vit.blocks.0.attn", n, n)                                        # (4, 64, 64)
x = norm("vit.ln", feed_forward("vit.blocks.0.ffn", x + y))                           # (1, 64, 96)
tokens = x
print("tokens:", tuple(tokens.shape))

# %% [markdown]
# What two tokens look at, per head: one on the shape, one on the background (marked by a square). The shape is found by its
# colour: the token whose pixels differ most from the picture's corner pixels.

# %%
corner = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(float)
background = np.median(corner, axis=0)
shape_pixels = np.abs(pixels - background).sum(-1) > 60                               # (64, 64)
coverage = shape_pixels.reshape(8, 8, 8, 8).mean((1, 3)).ravel()                      # (64,)
on_shape = coverage > 0.5 if (coverage > 0.5).any() else coverage == coverage.max()


def show_map(axes, weights, title, mark=None):
    """Attention over the picture: the darker red a token, the more it is looked at."""
    heat = np.asarray(weights).reshape(8, 8) / np.max(weights)
    axes.imshow(255 - (255 - pixels.astype(int)) // 2)                                # paler
    axes.imshow(heat, extent=(-0.5, 63.5, 63.5, -0.5), cmap="Reds", vmin=-0.3, vmax=1, alpha=0.9 * heat)
    if mark is not None:
        row, column = divmod(int(mark), 8)
        corner = (8 * column - 0.5, 8 * row - 0.5)
        axes.add_patch(plt.Rectangle(corner, 8, 8, fill=False, ec="tab:blue", lw=2))
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[])


inside, outside = int(coverage.argmax()), int(np.flatnonzero(coverage == 0)[-1])
figure, rows = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
for row, token, name in zip(rows, (inside, outside), ("on the shape", "background")):
    for head, axes in enumerate(row):
        show_map(axes, seen[head, token].numpy(), f"{name}, head {head}", mark=token)
plt.show()

# %% [markdown]
# ## The bridge: a state that walks along the picture
#
# The 64 tokens, row by row, are a sequence now. Each bridge layer has 64 states; state `n` forgets at its own rate:
#
#     h_t = d h_{t-1} + g B u_t               A = -exp(a),  d = exp(dt A),  g = (d - 1) / A
#     out = x + gate y + (1 - gate) n         n = norm(x),  u = W_in n,  y = W (C h),
#                                             gate = sigmoid(W_g n)
#
# `1 / (1 - d)` is about the number of tokens that a state remembers; a row of the picture has 8.

# %%
def decay_and_gain(name):
    A = -hg.exp(p[name + ".a"])                                                       # (N)
    z = hg.exp(p[name + ".log_dt"]) * A
    return hg.exp(z), hg.expm1(z) / A


def bridge_layer(i, x):
    """States (1, 64, N) and output (1, 64, D) of layer i."""
    name = f"ssm_bridge.ssm_layers.{i}"
    n = norm(f"ssm_bridge.layer_norms.{i}", x)
    u = linear(name + ".input_proj", n)                                               # (1, 64, N)
    d, g = decay_and_gain(name)
    drive = u * (g * p[name + ".B"])
    h = hg.linear_scan(d.expand_as(drive), drive)                                     # (1, 64, N)
    y = linear(name + ".proj", h @ p[name + ".C"].T + p[name + ".bias_C"])
    gate = hg.sigmoid(linear(name + ".gate", n))
    return h, x + gate * y + (1 - gate) * n


states, x = [], tokens
for i in range(2):
    h, x = bridge_layer(i, x)
    states.append(h[0].numpy())                                                       # (64, N)
V = norm("ssm_bridge.ln", linear("ssm_bridge.out_proj", x))                           # (1, 64, 96)
with hg.no_grad():
    difference = (V - model.encode(image)).abs().max().item()
assert difference < 1e-3, difference
print(f"recomputed V differs from the model's by {difference:.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for i in range(2):
    d = np.sort(decay_and_gain(f"ssm_bridge.ssm_layers.{i}")[0].numpy())
    left.plot(d, ".-", ms=4, label=f"layer {i}")
    right.plot(1 / (1 - d), ".-", ms=4, label=f"layer {i}")
left.set(xlabel="state, sorted", ylabel="decay d per token", title="how much of a state is kept")
right.axhline(8, color="0.5", lw=0.8, ls="--")
right.text(0, 8.8, "one row of the picture", color="0.4", fontsize=8)
right.set(xlabel="state, sorted", ylabel="1 / (1 - d)", yscale="log", title="memory in tokens")
left.legend()
plt.show()

# %% [markdown]
# The states of both layers along the picture, sorted by decay (short memory on top), each scaled to its largest value. The bar
# below shows which tokens lie on the shape: it appears as a burst every 8 tokens, once per row of the picture.

# %%
figure, axes = plt.subplots(3, 1, figsize=(10, 6.4), height_ratios=(8, 8, 0.6), sharex=True,
                            layout="constrained")
for i in range(2):
    order = np.argsort(decay_and_gain(f"ssm_bridge.ssm_layers.{i}")[0].numpy())
    h = states[i][:, order].T                                                         # (N, 64)
    axes[i].imshow(h / np.abs(h).max(1, keepdims=True), aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
    axes[i].set(ylabel=f"layer {i}: state")
axes[2].imshow(coverage[None], aspect="auto", cmap="Greys", vmin=0, vmax=1)
axes[2].set(yticks=[], xlabel="token (row by row)", xticks=range(0, 65, 8))
axes[2].set_ylabel("shape", rotation=0, ha="right", va="center")
axes[2].set_xlim(-0.5, 63.5)
plt.show()

# %% [markdown]
# Three single states of the first layer: the shortest memory, a middle one, the longest. Grey stripes are tokens on the shape.
# The short one answers to each token and forgets it; the long one adds up what it has met.

# %%
order = np.argsort(decay_and_gain("ssm_bridge.ssm_layers.0")[0].numpy())
figure, axes = plt.subplots(3, 1, figsize=(10, 4.8), layout="constrained", sharex=True)
chosen = {"shortest": order[0], "middle": order[len(order) // 2], "longest": order[-1]}
for ax, (name, n) in zip(axes, chosen.items()):
    d = decay_and_gain("ssm_bridge.ssm_layers.0")[0][int(n)].item()
    for t in np.flatnonzero(on_shape):
        ax.axvspan(t - 0.5, t + 0.5, color="0.88")
    ax.axhline(0, color="0.7", lw=0.6)
    ax.plot(states[0][:, n], color="tab:blue")
    ax.set_ylabel(f"{name}\nd = {d:.3f}", fontsize=9)
axes[-1].set(xlabel="token (row by row)", xlim=(-0.5, 63.5), xticks=range(0, 65, 8))
plt.show()

# %% [markdown]
# What does the state know? We try to read colour and shape of all test pictures from `h_t` alone, by least squares: fitted on
# one half of the pictures, judged on the other. The first tokens know much already, because the attention block has told them;
# what the curves gain from left to right is what the scan has gathered on its way (little, in a beginner).

# %%
def tokens_of(image):
    """(B, 3, 64, 64) -> (B, 64, 96): the same steps for many pictures at once, with the fused attention."""
    x = image
    for i in range(3):
        x = F.gelu(F.conv2d(x, p[f"vit.stem.{i}.weight"], p[f"vit.stem.{i}.bias"], stride=2, padding=1))
    x = x.flatten(2).transpose(1, 2) + p["vit.pos_embed"]
    n, name = norm("vit.blocks.0.ln1", x), "vit.blocks.0.attn"
    q = linear(name + ".q_proj", n).reshape(len(x), 64, 4, -1).transpose(1, 2)       # (B, heads, 64, P)
    k, v = (linear(f"{name}.{part}_proj", n)[:, None] for part in "kv")               # (B, 1, 64, P)
    y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2).reshape(x.shape)
    return norm("vit.ln", feed_forward("vit.blocks.0.ffn", x + linear(name + ".o_proj", y)))


labels = {"shape": {}, "colour": {}}                                                  # by picture
for i in range(len(test)):
    if test.kind(test.answer(i)) in labels:
        labels[test.kind(test.answer(i))][test.picture_of(i)] = test.answer(i)
with hg.no_grad():
    everything = test.images(list(range(test.picture_count)))                         # (B, 3, 64, 64)
    h = bridge_layer(0, tokens_of(everything))[0].numpy()                             # (B, 64, N)


def read_out(h, kind):
    """Share of right answers at each fourth token, and the share of the commonest answer."""
    known = sorted(labels[kind])
    answer = np.array([labels[kind][i] for i in known])
    names, target = np.unique(answer, return_inverse=True)
    curve = []
    for t in range(3, 64, 4):
        x = h[known, t]
        x = np.c_[(x - x.mean(0)) / (x.std(0) + 1e-12), np.ones(len(x))].astype(np.float64)
        gram = x[::2].T @ x[::2] + 1e-3 * len(x) * np.eye(x.shape[1])
        w = np.linalg.solve(gram, x[::2].T @ np.eye(len(names))[target[::2]])
        curve.append(((x[1::2] @ w).argmax(1) == target[1::2]).mean())
    return curve, np.bincount(target[1::2]).max() / len(target[1::2])


figure, axes = plt.subplots(figsize=(10, 2.8), layout="constrained")
for kind, colour in (("shape", "tab:blue"), ("colour", "tab:orange")):
    curve, guess = read_out(h, kind)
    axes.plot(range(3, 64, 4), 100 * np.array(curve), ".-", color=colour, label=kind)
    axes.axhline(100 * guess, color=colour, ls="--", lw=0.8)
axes.set(xlabel="token t", ylabel="% right, read from h_t", ylim=(0, 101), xticks=range(0, 65, 8))
axes.legend(title="dashed: the commonest answer", loc="center right")
plt.show()

# %% [markdown]
# Does the model use it? With `C = 0` nothing of the state reaches the output, and the bridge treats each token alone:

# %%
silenced = EnhancedVLM(VLMConfig.easy_vqa())
silenced.load_state_dict({name: hg.zeros_like(value) if name.endswith(".C") else value
                          for name, value in model.state_dict().items()})
silenced.eval()
(r, n), by_kind, _ = evaluate(silenced, test)
print(f"with the state {100 * correct / asked:.2f} %, without it {100 * r / n:.2f} %")
for kind, (r, n) in by_kind.items():
    print(f"    {kind:<8} {100 * kinds[kind][0] / kinds[kind][1]:6.2f} %  ->  {100 * r / n:6.2f} %")

# %% [markdown]
# If the two numbers are close, do not be surprised: on pictures as simple as these the tokens have seen everything in the
# attention block before the bridge, and the words may look at all 64 of them. A state is worth its price where attention is
# missing or too expensive: on long sequences.

# %% [markdown]
# ## Where each word looks
#
# The words of the question ask the picture: cross-attention with the words as queries and the vision tokens as keys and values.
# The mean over the four heads for every word, then the heads of the last one, which has to know the answer:

# %%
e = p["token_embed.weight"][prompt] + p["pos_embed"][:, :prompt.shape[1]]             # (1, T, 96)
looks, y = attention("cross_attn_layers.0", norm("cross_norms.0", e), V)              # (4, T, 64)
e = e + y

figure, row = plt.subplots(1, len(words), figsize=(10, 10 / len(words) + 0.5), layout="constrained")
for t, axes in enumerate(row):
    show_map(axes, looks[:, t].mean(0).numpy(), words[t])
plt.show()
figure, row = plt.subplots(1, 4, figsize=(10, 2.9), layout="constrained")
for head, axes in enumerate(row):
    show_map(axes, looks[head, -1].numpy(), f'"{words[-1]}", head {head}')
plt.show()

# %% [markdown]
# ## The answer
#
# Two causal blocks, a norm, and a score per word of the vocabulary at the last position. The model's own logits agree:

# %%
def causal_block(name, x):
    n = norm(name + ".ln1", x)
    T = x.shape[1]
    q = linear(name + ".attn.q_proj", n).reshape(T, 4, -1).transpose(0, 1)            # (4, T, P)
    k, v = (linear(f"{name}.attn.{part}_proj", n)[0] for part in "kv")                # (T, P)
    future = hg.ones(T, T).triu(1).bool()
    scores = (q @ k.T / q.shape[-1] ** 0.5).masked_fill(future, -float("inf"))
    y = (hg.softmax(scores, -1) @ v).transpose(0, 1).reshape(1, T, -1)
    return feed_forward(name + ".ffn", x + linear(name + ".attn.o_proj", y))


x = causal_block("text_blocks.1", causal_block("text_blocks.0", e))
logits = linear("head", norm("ln", x))[0, -1]                                         # (vocabulary)
with hg.no_grad():
    expected = model(image, prompt)[0][0, -1]
difference = (logits - expected).abs().max().item()
assert difference < 1e-2, difference
print(f"recomputed logits differ by {difference:.1e}")

probabilities = hg.softmax(logits, -1)[:len(data.vocabulary)]
best = probabilities.topk(6)
figure, axes = plt.subplots(figsize=(6, 2.2), layout="constrained")
names = [data.vocabulary.words[i] for i in best.indices.tolist()]
axes.barh(names[::-1], best.values.numpy()[::-1])
axes.set(xlim=(0, 1), xlabel="probability of the next word", title=test.question(question))
plt.show()

# %% [markdown]
# ## Answers and mistakes
#
# One mistake per picture, as far as there are any; what the model said in red, then the right answer.

# %%
wrong = [i for i in range(len(test)) if answers[i] != test.answer(i)]
first = sorted({test.picture_of(i): i for i in reversed(wrong)}.values())
print(f"{len(wrong)} mistakes about {len(first)} of {test.picture_count} pictures")
shown = (first + [i for i in range(0, len(test), len(test) // 12) if i not in wrong])[:12]
figure, cells = plt.subplots(2, 6, figsize=(10, 4.6), layout="constrained")
for axes, i in zip(cells.flat, shown):
    good = answers[i] == test.answer(i)
    asked_words = test.question(i).split()
    axes.imshow(test.pictures[test.picture_of(i)].permute(1, 2, 0).numpy())
    axes.set_title("\n".join([" ".join(asked_words[:4]), " ".join(asked_words[4:])]), fontsize=7)
    text = answers[i] if good else f"{answers[i]} (right: {test.answer(i)})"
    axes.set_xlabel(text, fontsize=8, color="tab:green" if good else "tab:red")
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# Which answers are taken for which, over all mistakes:

# %%
pairs = {}
for i in wrong:
    pair = (test.answer(i), answers[i] or "(nothing)")
    pairs[pair] = pairs.get(pair, 0) + 1
for (truth, said), count in sorted(pairs.items(), key=lambda item: -item[1])[:8]:
    print(f"{count:>5} x  {truth} taken for {said}")
