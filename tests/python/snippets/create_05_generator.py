# A Generator gives its own reproducible stream and leaves the global one alone.
import torch

g = torch.Generator()
g.manual_seed(42)
a = torch.randn(4, generator=g)
g.manual_seed(42)
b = torch.randn(4, generator=g)
c = torch.randn(4, generator=g)

torch.manual_seed(7)
first = torch.rand(2)
torch.manual_seed(7)
torch.rand(3, generator=g)
second = torch.rand(2)

state = torch.get_rng_state()
u = torch.rand(3)
torch.set_rng_state(state)
v = torch.rand(3)
g2 = torch.Generator().manual_seed(42)
perm = torch.randperm(6, generator=g2)

result = {
    "same": torch.equal(a, b), "next_differs": not torch.equal(b, c),
    "global_untouched": torch.equal(first, second),
    "restored": torch.equal(u, v), "seed": g2.initial_seed(), "perm": sorted(perm.tolist()),
}
