# Saving and restoring an optimizer continues the same path.
import torch


def make():
    w = torch.tensor([1.0, -1.0], requires_grad=True)
    return w, torch.optim.Adam([w], lr=0.1)


def steps(w, opt, n):
    for _ in range(n):
        opt.zero_grad(set_to_none=True)
        (w ** 2).sum().backward()
        opt.step()


w, opt = make()
steps(w, opt, 3)
saved_w, saved = w.detach().clone(), opt.state_dict()
steps(w, opt, 2)
result = {
    "w": w.detach(), "keys": sorted(saved), "state_keys": sorted(saved["state"][0]),
    "group_params": saved["param_groups"][0]["params"], "betas": list(saved["param_groups"][0]["betas"]),
    "lr": saved["param_groups"][0]["lr"],
}
w2, opt2 = make()
w3, opt3 = make()
steps(w3, opt3, 3)
w2.data.copy_(saved_w)
opt2.load_state_dict(opt3.state_dict())
steps(w2, opt2, 2)
result["resumed"] = torch.allclose(w2, w)
