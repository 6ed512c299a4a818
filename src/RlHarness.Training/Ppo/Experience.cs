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

/// <summary>A prompt, the response that the policy drew, and its score. The score counts at the last response token.</summary>
public sealed record Episode(IReadOnlyList<int> Prompt, IReadOnlyList<int> Response, double Score)
{
    public int Length => Prompt.Count + Response.Count;
}

/// <summary>Figures of one update. Means are over response tokens of the minibatch; norms are before clipping.</summary>
public sealed record MinibatchResult(
    int Epoch,
    int Minibatch,
    double PolicyLoss,
    double ValueLoss,
    double Entropy,
    double ApproxKl,
    double ClipFraction,
    double ValueClipFraction,
    double RatioMean,
    double RatioVariance,
    double MaxRatioDeviation,
    double PolicyGradientNorm,
    double CriticGradientNorm
);
