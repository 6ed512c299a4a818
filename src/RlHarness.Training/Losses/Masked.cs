using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

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
