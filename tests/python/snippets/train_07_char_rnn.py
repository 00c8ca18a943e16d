# The name-classification RNN written with linear layers.
import torch
import torch.nn as nn

letters = "abcdef"


def to_tensor(line):
    t = torch.zeros(len(line), 1, len(letters))
    for i, c in enumerate(line):
        t[i][0][letters.find(c)] = 1
    return t


class RNN(nn.Module):
    def __init__(self, n_in, n_hidden, n_out):
        super(RNN, self).__init__()
        self.hidden_size = n_hidden
        self.i2h = nn.Linear(n_in + n_hidden, n_hidden)
        self.h2o = nn.Linear(n_hidden, n_out)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        return self.softmax(self.h2o(hidden)), hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


rnn = RNN(len(letters), 4, 2)
with torch.no_grad():
    for i, p in enumerate(rnn.parameters()):
        p.copy_(torch.cos(torch.arange(p.numel(), dtype=torch.float32) + i).view_as(p) * 0.4)
criterion = nn.NLLLoss()
losses = []
for epoch in range(6):
    for word, label in [("abc", 0), ("fed", 1), ("aab", 0)]:
        hidden = rnn.initHidden()
        rnn.zero_grad()
        line = to_tensor(word)
        for i in range(line.size()[0]):
            output, hidden = rnn(line[i], hidden)
        loss = criterion(output, torch.tensor([label]))
        loss.backward()
        for p in rnn.parameters():
            p.data.add_(p.grad.data, alpha=-0.1)
        losses.append(loss.item())
top_n, top_i = output.topk(1)
result = {"losses": losses, "guess": top_i[0].item(), "output": output.detach()}
