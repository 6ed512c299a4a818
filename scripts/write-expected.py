#!/usr/bin/env python3
"""Writes what transformers computes of a model, for `rlharness model verify MODEL --against expected.safetensors`.

    python3 write-expected.py MODEL expected.safetensors [--prompts FILE] [--tokens 24] [--seed 1] [--no-gradients]

MODEL is a folder or a name on the hub; it is loaded in float32 on the CPU. Needs torch, transformers (4.50 or later) and safetensors:
    pip install torch transformers safetensors
The prompts are lines of FILE through the model's tokenizer (its first tokens, at most 64), or four rows of random ids where no file is given.

Tensors: right.* is right-padded, left.* left-padded (positions count from the first real token); right.hidden_states.i is the residual stream before
layer i, the last one after the final norm; left.greedy are the greedy tokens, no id left out (metadata suppressed_ids); left.greedy_logprobs are theirs;
grad.PARAMETER is the gradient of the mean -log p over next tokens of the right-padded batch, and grad.loss that mean.
"""
import argparse

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def rows_of(args, vocabulary):
    """Token ids, one list a prompt."""
    if args.prompts:
        tokenizer = AutoTokenizer.from_pretrained(args.model)
        with open(args.prompts, encoding="utf-8") as file:
            rows = [tokenizer(line.rstrip("\n")).input_ids[:64] for line in file if line.strip()]
        return [row for row in rows if row] or exit("no prompt in " + args.prompts)
    generator = torch.Generator().manual_seed(args.seed)
    return [torch.randint(3, vocabulary, (n,), generator=generator).tolist() for n in (24, 17, 9, 1)]


def padded(rows, left):
    """Ids and mask, [B, T]; padding is id 0 under mask 0."""
    width = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        at = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, at], mask[i, at] = torch.tensor(row), 1
    return ids, mask


def positions(mask):
    return (mask.cumsum(-1) - 1).clamp(min=0)


def expected(model, rows, tokens, gradients):
    out = {}
    ids, mask = padded(rows, left=False)
    out["right.input_ids"], out["right.attention_mask"] = ids, mask
    with torch.no_grad():
        result = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        out["right.logits"] = result.logits
        out.update({f"right.hidden_states.{i}": state for i, state in enumerate(result.hidden_states)})
        left, left_mask = padded(rows, left=True)
        out.update({"left.input_ids": left, "left.attention_mask": left_mask, "left.position_ids": positions(left_mask)})
        out["left.logits"] = model(input_ids=left, attention_mask=left_mask, position_ids=positions(left_mask), use_cache=False).logits
        chosen = []
        for _ in range(tokens):  # by full forward passes: slow, and nothing that a cache could get wrong
            last = torch.log_softmax(model(input_ids=left, attention_mask=left_mask, position_ids=positions(left_mask), use_cache=False).logits[:, -1], -1)
            logprob, token = last.max(-1)
            chosen.append((token, logprob))
            left, left_mask = torch.cat([left, token[:, None]], 1), torch.cat([left_mask, torch.ones_like(token)[:, None]], 1)
        if tokens:
            out["left.greedy"] = torch.stack([token for token, _ in chosen], 1)
            out["left.greedy_logprobs"] = torch.stack([logprob for _, logprob in chosen], 1)
    if gradients:
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        logprobs = torch.log_softmax(logits[:, :-1], -1).gather(-1, ids[:, 1:, None])[..., 0]
        loss = -logprobs[mask[:, 1:] == 1].mean()
        loss.backward()
        out["grad.loss"] = loss.detach()[None]
        out.update({"grad." + name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    return {name: tensor.detach().contiguous().clone() for name, tensor in out.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a folder, or a name on the hub")
    parser.add_argument("output", help="the file to write, such as expected.safetensors")
    parser.add_argument("--prompts", help="a text file, one prompt a line")
    parser.add_argument("--tokens", type=int, default=24, help="greedy tokens a prompt; 0 for none")
    parser.add_argument("--seed", type=int, default=1, help="of the random ids")
    parser.add_argument("--no-gradients", action="store_true", help="leave the gradients out; the file is then smaller than the model")
    args = parser.parse_args()
    # dtype is given here, not by .to() afterwards, which would round the rotary frequencies too
    model = AutoModelForCausalLM.from_pretrained(args.model, torch_dtype=torch.float32, attn_implementation="eager").eval()
    rows = rows_of(args, model.config.vocab_size)
    save_file(expected(model, rows, args.tokens, not args.no_gradients), args.output, metadata={"suppressed_ids": "", "format": "pt"})
    print(f"{args.output}: {len(rows)} prompts")


if __name__ == "__main__":
    main()
