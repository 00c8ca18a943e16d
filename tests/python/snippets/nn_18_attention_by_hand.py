# Scaled dot-product attention, written out and as a function.
import math
import torch
import torch.nn.functional as F

q = torch.sin(torch.arange(24.0)).view(1, 2, 3, 4).requires_grad_()
k = torch.cos(torch.arange(24.0)).view(1, 2, 3, 4).requires_grad_()
v = torch.arange(24.0).view(1, 2, 3, 4).requires_grad_()
scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
weights = F.softmax(scores, dim=-1)
hand = weights @ v
fused = F.scaled_dot_product_attention(q, k, v)
causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
mask = torch.tensor([[True, False, True], [True, True, False], [False, True, True]])
masked = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
causal.sum().backward()
result = {
    "hand": hand.detach(), "same": torch.allclose(hand, fused, atol=1e-5), "causal": causal.detach(),
    "masked": masked.detach(), "gq": q.grad, "gk": k.grad, "gv": v.grad,
    "scale": F.scaled_dot_product_attention(q, k, v, scale=1.0).detach(),
}
