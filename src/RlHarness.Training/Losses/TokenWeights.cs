using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>How a sum over tokens becomes a loss.</summary>
public enum LossNormalization
{
    /// <summary>Mean over all response tokens of the minibatch.</summary>
    Token,

    /// <summary>Mean over sequences of their token means.</summary>
    Sequence,

    /// <summary>Sum over tokens, divided by sequences × longest.</summary>
    Constant,
}

/// <summary>
/// The weight of each token in the loss, so that loss = Σ weight · token loss. Weights come from the whole minibatch: any split into micro-batches, or over
/// processes, gives the same gradient.
/// </summary>
internal static class TokenWeights
{
    /// <summary>
    /// Weight of a token in a sequence of the given length; <paramref name="tokens"/>, <paramref name="sequences"/> and <paramref name="longest"/>
    /// are those of the whole minibatch.
    /// </summary>
    public static double Of(LossNormalization normalization, int length, long tokens, int sequences, int longest) =>
        normalization switch
        {
            LossNormalization.Token => 1.0 / tokens,
            LossNormalization.Sequence => 1.0 / ((double)length * sequences),
            _ => 1.0 / ((double)sequences * longest),
        };

    /// <summary>Weights [B, T] of a padded batch, 0 where the mask is.</summary>
    public static Tensor Padded(LossNormalization normalization, Tensor mask, ScalarType type)
    {
        var m = mask.to(type);
        return normalization switch
        {
            LossNormalization.Token => m / m.sum(),
            LossNormalization.Sequence => m / m.sum(1, keepdim: true) / m.shape[0],
            _ => m / (m.shape[0] * m.shape[1]),
        };
    }
}

/// <summary>Statistics over the places where a mask is 1. x and mask have the same shape; the mask is 0/1 in x's type or bool.</summary>
internal static class Masked
{
    /// <summary>Σ x m / Σ m.</summary>
    public static Tensor Mean(Tensor x, Tensor mask) => (x * mask).sum() / mask.sum();

    /// <summary>Σ (x − mean)² m / Σ m, times n / (n − 1) when unbiased.</summary>
    public static Tensor Variance(Tensor x, Tensor mask, bool unbiased = true)
    {
        var n = mask.sum().to(x.dtype);
        var variance = ((x - Mean(x, mask)).square() * mask).sum() / n;
        return unbiased ? variance * n / (n - 1) : variance;
    }

    /// <summary>(x − mean) / √(unbiased variance + 1e-8), 0 where the mask is 0. The mean is not added back.</summary>
    public static Tensor Whiten(Tensor x, Tensor mask) => (x - Mean(x, mask)) * (Variance(x, mask) + 1e-8).rsqrt() * mask;

    /// <summary>1 − Var(returns − values) / Var(returns), biased variances: 1 is a perfect critic, 0 one that knows the mean only.</summary>
    public static Tensor ExplainedVariance(Tensor returns, Tensor values, Tensor mask) =>
        1 - Variance(returns - values, mask, unbiased: false) / Variance(returns, mask, unbiased: false);
}
