using RlHarness.Training.Losses;

namespace RlHarness.Training.Ppo;

/// <summary>What an iteration knows before its first update: one value for each response token, packed by episode.</summary>
/// <param name="Logprobs">Old log-probabilities under the policy, float32.</param>
/// <param name="ReferenceLogprobs">Log-probabilities under the reference, float32.</param>
/// <param name="Values">The critic's values, float32; null without a critic.</param>
/// <param name="Entropies">Entropy of the policy's distribution (nats), float32.</param>
/// <param name="Kl">KL estimate (nats), float64.</param>
/// <param name="Advantages">Advantages as the loss uses them, whitened where the settings say so, float64.</param>
/// <param name="Returns">Targets of the critic, float64; null without one.</param>
/// <param name="ExplainedVariance">Share of the variance of the returns that the critic explains; null without one.</param>
public sealed record Experience(
    IReadOnlyList<Episode> Episodes,
    PackedTokens Logprobs,
    PackedTokens ReferenceLogprobs,
    PackedTokens? Values,
    PackedTokens Entropies,
    PackedTokens Kl,
    PackedTokens Advantages,
    PackedTokens? Returns,
    double? ExplainedVariance
) : IDisposable
{
    /// <summary>Mean over episodes of the summed KL estimate: <c>objective/kl</c>.</summary>
    public double MeanKl { get; } = Kl.Rows.Average(row => row.Sum());

    public void Dispose()
    {
        foreach (var packed in new[] { Logprobs, ReferenceLogprobs, Values, Entropies, Kl, Advantages, Returns })
            packed?.Dispose();
    }
}

/// <summary>An iteration: what it was estimated from, and one result for each optimizer step.</summary>
public sealed record Iteration(Experience Experience, IReadOnlyList<MinibatchResult> Updates) : IDisposable
{
    public void Dispose() => Experience.Dispose();
}

/// <summary>A prompt, the response that the policy drew, and its score. The score counts at the last response token.</summary>
/// <param name="Group">Episodes with the same number answer the same prompt; algorithms without groups don't read it.</param>
/// <param name="Trained">
/// Which response tokens the policy's loss counts; null: all. The others are read and scored, but get no gradient, no entropy bonus and no KL term in the loss.
/// The critic learns from all tokens.
/// </param>
public sealed record Episode(IReadOnlyList<int> Prompt, IReadOnlyList<int> Response, double Score, int Group = 0, IReadOnlyList<bool>? Trained = null)
{
    public int Length => Prompt.Count + Response.Count;

    /// <summary>How many response tokens the policy's loss counts.</summary>
    public int TrainedTokens => Trained?.Count(t => t) ?? Response.Count;
}

/// <summary>
/// Figures of one update. Means are over response tokens of the minibatch, losses as <see cref="LossNormalization"/> says; norms are before clipping.
/// </summary>
/// <param name="Tokens">Response tokens of the minibatch.</param>
public sealed record MinibatchResult(
    int Epoch,
    int Minibatch,
    int Sequences,
    long Tokens,
    double PolicyLoss,
    double ValueLoss,
    double Entropy,
    double ApproxKl,
    double ClipFraction,
    double ValueClipFraction,
    double RatioMean,
    double MaxRatioDeviation,
    double PolicyGradientNorm,
    double CriticGradientNorm
);

/// <summary>
/// Figures of all updates of a step. Means over tokens are those over all tokens of all updates, so that they do not depend on how episodes fall into
/// minibatches; gradient norms are means over updates.
/// </summary>
/// <param name="RatioVariance">TRL's <c>val/ratio_var</c>: unbiased variance, over updates, of their mean ratios; null for a single update.</param>
public sealed record IterationResult(
    double PolicyLoss,
    double ValueLoss,
    double Entropy,
    double ApproxKl,
    double ClipFraction,
    double ValueClipFraction,
    double RatioMean,
    double? RatioVariance,
    double FirstRatioDeviation,
    double PolicyGradientNorm,
    double CriticGradientNorm
)
{
    /// <param name="updates">One or more, the first one first.</param>
    /// <param name="normalization">A policy loss that is a mean over tokens weighs by tokens, the others by sequences.</param>
    public static IterationResult Of(IReadOnlyList<MinibatchResult> updates, LossNormalization normalization)
    {
        ArgumentNullException.ThrowIfNull(updates);
        double OverTokens(Func<MinibatchResult, double> figure) => updates.Sum(u => u.Tokens * figure(u)) / updates.Sum(u => u.Tokens);
        double OverSequences(Func<MinibatchResult, double> figure) => updates.Sum(u => u.Sequences * figure(u)) / updates.Sum(u => u.Sequences);
        var ratio = updates.Average(u => u.RatioMean);
        return new(
            normalization == LossNormalization.Token ? OverTokens(u => u.PolicyLoss) : OverSequences(u => u.PolicyLoss),
            OverTokens(u => u.ValueLoss),
            OverTokens(u => u.Entropy),
            OverTokens(u => u.ApproxKl),
            OverTokens(u => u.ClipFraction),
            OverTokens(u => u.ValueClipFraction),
            OverTokens(u => u.RatioMean),
            updates.Count < 2 ? null : updates.Sum(u => (u.RatioMean - ratio) * (u.RatioMean - ratio)) / (updates.Count - 1),
            updates[0].MaxRatioDeviation,
            updates.Average(u => u.PolicyGradientNorm),
            updates.Average(u => u.CriticGradientNorm)
        );
    }
}
