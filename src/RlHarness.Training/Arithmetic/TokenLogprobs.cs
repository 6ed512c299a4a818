using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Arithmetic;

/// <summary>Log-probabilities and entropies from logits [.., V] at a temperature.</summary>
public static class TokenLogprobs
{
    /// <param name="Logprobs">log softmax(logits / temperature) at the tokens, [..].</param>
    /// <param name="Entropy">−Σ p log p in nats, [..].</param>
    public sealed record Result(Tensor Logprobs, Tensor Entropy);

    public static Result Compute(Tensor logits, Tensor tokens, double temperature)
    {
        var logp = nn.functional.log_softmax(temperature == 1 ? logits : logits / temperature, -1);
        return new Result(logp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1), -(logp.exp() * logp).sum(-1));
    }
}
