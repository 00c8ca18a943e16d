# Device-agnostic boilerplate.
import torch
from torch import nn

device = "cuda" if torch.cuda.is_available() else "cpu"
dev = torch.device(device)
torch.manual_seed(42)
if torch.cuda.is_available():
    torch.cuda.manual_seed_all(42)
torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = False
model = nn.Linear(2, 1).to(device)
x = torch.ones(3, 2, device=dev)
y = torch.zeros(3, 1).to(dev, non_blocking=True)
loss = nn.functional.mse_loss(model(x), y)
loss.backward()
cpu = x.cpu().numpy()
m = model.to(torch.float64)
result = {
    "same_device": x.device == next(model.parameters()).device, "dtype": str(m.weight.dtype),
    "type": dev.type in ("cpu", "cuda"), "cpu": cpu.tolist(), "to_both": str(x.to(dev, torch.float64).dtype),
    "str": str(torch.device("cpu")), "index": torch.device("cuda:1").index,
    "eq": torch.device("cpu") == torch.device("cpu"), "like": torch.zeros_like(x, device="cpu").device.type,
    "threads": torch.get_num_threads() > 0, "loss_ok": bool(torch.isfinite(loss)),
    "half_back": str(model.float().weight.dtype),
}
