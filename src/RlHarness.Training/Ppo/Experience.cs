namespace RlHarness.Training.Ppo;

/// <summary>What an iteration knows before its first update. Jagged arrays by episode and response token.</summary>
public sealed record Experience(
    IReadOnlyList<Episode> Episodes,
    float[][] Logprobs,
    float[][] ReferenceLogprobs,
    float[][] Values,
    float[][] Entropies,
    double[][] Kl,
    double[][] Advantages,
    double[][] Returns,
    double ExplainedVariance
)
{
    /// <summary>Mean over episodes of the summed KL estimate: <c>objective/kl</c>.</summary>
    public double MeanKl => Kl.Average(k => k.Sum());
}
