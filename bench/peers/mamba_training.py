"""One training iteration of the model `mamba4` of bench/training_bench.ts, in torch.

    python3 bench/peers/mamba_training.py [--scan sequential|chunked|none] [--compile]
        [--batch 32] [--length 2048] [--width 256] [--layers 4] [--iterations 2] [--device cuda]

A signal, four blocks x + mamba(rms_norm(x)) (expand 2, 16 states, 4 taps, rank width/16), a norm,
nine quantiles; pinball loss, gradients clipped by their global norm, fused AdamW. All in fp32 with
tf32 off. The selective scan is torch's own operations and no kernel of its own:

    sequential  a loop over the samples, as the reference of Mamba's authors has it
                (`selective_scan_ref`): one fused multiply-add a sample; the length stands first and
                `unbind` takes the samples apart, so that the way back does not fill a tensor of the
                whole length with zeros for every sample, as indexing would
    chunked     all chunks of 64 samples abreast, each from a state of 0, with the product of its
                decays; then the states from chunk to chunk; then both together. 96 steps in a row
                instead of 2,048, and no kernel of its own either
    none        y = u + delta + B·C, which is no scan: what all the rest takes. With the time of a
                CUDA kernel of the scan added, it says what torch with that kernel would take

Prints the median time of an iteration by CUDA events and the peak of the memory.
"""

import argparse
import math
import statistics

import torch
import torch.nn.functional as F
from torch import nn


def sequential_scan(u, delta, A, B, C):
    """x = exp(delta·A)·x + delta·B·u, y = C·x over [length, batch, feature, state]."""
    decay = torch.exp(delta.unsqueeze(-1) * A)
    drive = (delta * u).unsqueeze(-1) * B.unsqueeze(2)
    x = torch.zeros_like(drive[0])
    states = []
    for a, b in zip(decay.unbind(0), drive.unbind(0)):
        x = torch.addcmul(b, a, x)
        states.append(x)
    return torch.einsum("lbdn,lbn->lbd", torch.stack(states), C)


def chunked_scan(u, delta, A, B, C, chunk=64):
    """The same; chunks abreast, [chunk count, batch, feature, state] a step."""
    length = u.shape[0]
    chunk = min(chunk, length)

    def steps(x):
        return x.view(length // chunk, chunk, *x.shape[1:]).unbind(1)

    decay = torch.exp(delta.unsqueeze(-1) * A)
    drive = (delta * u).unsqueeze(-1) * B.unsqueeze(2)
    x = torch.zeros_like(steps(drive)[0])
    product = torch.ones_like(x)
    states, products = [], []
    for a, b in zip(steps(decay), steps(drive)):
        x = torch.addcmul(b, a, x)
        product = product * a
        states.append(x)
        products.append(product)
    carry = torch.zeros_like(x[0])
    carries = []
    for end, whole in zip(x.unbind(0), product.unbind(0)):
        carries.append(carry)
        carry = torch.addcmul(end, whole, carry)
    carry = torch.stack(carries)
    rows = [
        torch.einsum("cbdn,cbn->cbd", torch.addcmul(x, p, carry), c)
        for x, p, c in zip(states, products, steps(C))
    ]
    return torch.stack(rows, 1).view_as(u)


def no_scan(u, delta, A, B, C):
    """Reads and writes what a scan does, and remembers nothing."""
    return u + delta + (B * C).sum(-1, keepdim=True) + A.sum(-1)


SCANS = {"sequential": sequential_scan, "chunked": chunked_scan, "none": no_scan}


class Mamba(nn.Module):
    def __init__(self, width, scan, states=16, expand=2, taps=4):
        super().__init__()
        self.scan, self.states, self.inner = scan, states, expand * width
        self.rank = math.ceil(width / 16)
        self.in_proj = nn.Linear(width, 2 * self.inner, bias=False)
        self.conv = nn.Conv1d(self.inner, self.inner, taps, groups=self.inner, padding=taps - 1)
        self.x_proj = nn.Linear(self.inner, self.rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(self.rank, self.inner)
        step = torch.exp(torch.rand(self.inner) * math.log(100) + math.log(0.001))
        with torch.no_grad():
            self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))
        rows = torch.arange(1, states + 1, dtype=torch.float32).repeat(self.inner, 1)
        self.log_a = nn.Parameter(torch.log(rows))
        self.skip = nn.Parameter(torch.ones(self.inner))
        self.out_proj = nn.Linear(self.inner, width, bias=False)

    def forward(self, hidden):
        """[length, batch, width] to the same."""
        length = hidden.shape[0]
        u, z = self.in_proj(hidden).chunk(2, dim=-1)
        u = F.silu(self.conv(u.permute(1, 2, 0))[..., :length]).permute(2, 0, 1)
        dt, B, C = self.x_proj(u).split([self.rank, self.states, self.states], dim=-1)
        delta = F.softplus(self.dt_proj(dt))
        y = self.scan(u, delta, -torch.exp(self.log_a), B, C) + self.skip * u
        return self.out_proj(y * F.silu(z))


class Model(nn.Module):
    def __init__(self, width, layers, quantiles, scan):
        super().__init__()
        self.embed = nn.Linear(1, width)
        self.norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-5) for _ in range(layers + 1))
        self.mixers = nn.ModuleList(Mamba(width, scan) for _ in range(layers))
        self.head = nn.Linear(width, quantiles)

    def forward(self, signal):
        x = self.embed(signal)
        for norm, mixer in zip(self.norms, self.mixers):
            x = x + mixer(norm(x))
        return self.head(self.norms[-1](x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scan", choices=list(SCANS), default="sequential")
    parser.add_argument("--compile", action="store_true")
    for name, value in {"batch": 32, "length": 2048, "width": 256, "layers": 4}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    scan = SCANS[args.scan]
    levels = torch.arange(1, 10, device=args.device) / 10
    model = Model(args.width, args.layers, len(levels), scan).to(args.device)
    forward = torch.compile(model) if args.compile else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=args.device == "cuda")
    signal = torch.randn(args.length, args.batch, 1, device=args.device)
    target = torch.randn(args.length, args.batch, 1, device=args.device)

    def iterate():
        optimizer.zero_grad(set_to_none=True)
        error = target - forward(signal)
        loss = torch.maximum(levels * error, (levels - 1) * error).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    iterate()
    print(f"first iteration done: loss {iterate().item():.4f}", flush=True)
    if args.device != "cuda":
        return
    times = []
    for _ in range(args.iterations):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        iterate()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    peak = torch.cuda.max_memory_allocated() / 2**20
    shape = f"{args.batch}×{args.length}×{args.width}, {args.layers} layers"
    kind = f"{args.scan}{', compiled' if args.compile else ''}"
    print(f"torch {torch.__version__} fp32, scan {kind}, {shape}: "
          f"{statistics.median(times):.2f} ms, memory {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
