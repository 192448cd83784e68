"""A small network on the electricity stream. A script as people write them: click, a PyTorch loop, TensorBoard."""

import csv
import gzip

import click
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter


@click.command()
@click.option("--data", default="elec.csv.gz", show_default=True, help="CSV file")
@click.option("--lr", type=float, default=0.01, show_default=True)
@click.option("--hidden", type=click.IntRange(1, 512), default=16)
@click.option("--epochs", default=8)
@click.option("--dropout", default=0.0)
@click.option("--amp/--no-amp", default=False, help="mixed precision")
@click.option("--seed", default=0)
@click.option("--logdir", default="tb")
def train(data, lr, hidden, epochs, dropout, amp, seed, logdir):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    with gzip.open(data, "rt", newline="") as file:
        rows = list(csv.reader(file))[1:]
    values = torch.tensor([[float(v) for v in row[:-1]] for row in rows])
    target = torch.tensor([float(row[-1]) for row in rows])
    values = (values - values.mean(0)) / (values.std(0) + 1e-6)
    cut = int(len(rows) * 0.7)
    model = nn.Sequential(nn.Linear(values.shape[1], hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    lossfn = nn.BCEWithLogitsLoss()
    with SummaryWriter(logdir) as writer:
        for epoch in range(epochs):
            model.train()
            for start in range(0, cut, 2048):
                optimizer.zero_grad()
                batch = slice(start, min(start + 2048, cut))
                with torch.autocast("cpu", enabled=amp):
                    loss = lossfn(model(values[batch])[:, 0], target[batch])
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                score = model(values[cut:])[:, 0]
                writer.add_scalar("loss/train", loss.item(), epoch)
                writer.add_scalar("loss/valid", lossfn(score, target[cut:]).item(), epoch)
                writer.add_scalar("accuracy", ((score > 0) == (target[cut:] > 0.5)).float().mean().item(), epoch)
    torch.save(model.state_dict(), "net.pt")


if __name__ == "__main__":
    train()
