# REINFORCE on a bandit with given actions; torch.distributions.
import torch
import torch.nn as nn
from torch.distributions import Categorical, Normal, Bernoulli, kl_divergence

logits = torch.zeros(3, requires_grad=True)
opt = torch.optim.SGD([logits], lr=0.5)
rewards = torch.tensor([1.0, 0.0, 2.0])
for action in [0, 2, 1, 2, 2]:
    dist = Categorical(logits=logits)
    loss = -dist.log_prob(torch.tensor(action)) * rewards[action]
    opt.zero_grad()
    loss.backward()
    opt.step()
n = Normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
sample = Categorical(torch.tensor([0.0, 1.0])).sample()
result = {
    "logits": logits.detach(), "probs": Categorical(logits=logits).probs.detach(),
    "entropy": Categorical(logits=logits).entropy().detach(), "normal": n.log_prob(torch.tensor([0.5, 0.5])),
    "n_ent": n.entropy(), "kl": kl_divergence(n, Normal(0.0, 1.0)),
    "bern": Bernoulli(torch.tensor(0.3)).log_prob(torch.tensor(1.0)), "sample": sample.item(),
    "rsample": n.rsample().shape, "cdf": n.cdf(torch.tensor([0.0, 1.0])),
}
