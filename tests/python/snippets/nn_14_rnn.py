# Elman RNN with set weights, against a loop written by hand.
import torch
import torch.nn as nn

rnn = nn.RNN(input_size=3, hidden_size=2, num_layers=1, batch_first=True)
with torch.no_grad():
    for i, p in enumerate(rnn.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) + i).view_as(p) * 0.5)
x = torch.cos(torch.arange(12.0)).view(1, 4, 3)
out, h = rnn(x)
hand = torch.zeros(2)
for t in range(4):
    hand = torch.tanh(rnn.weight_ih_l0 @ x[0, t] + rnn.bias_ih_l0 + rnn.weight_hh_l0 @ hand + rnn.bias_hh_l0)
out.sum().backward()
relu = nn.RNN(3, 2, nonlinearity="relu")
cell = nn.RNNCell(3, 2)
result = {
    "out": out.detach(), "h": h.detach(), "hand": hand.detach(),
    "names": [n for n, _ in rnn.named_parameters()], "grad": rnn.weight_hh_l0.grad,
    "relu": relu(torch.zeros(5, 1, 3))[0].shape, "cell": cell(torch.zeros(4, 3), torch.zeros(4, 2)).shape,
}
