using RlHarness.Core.Settings;

namespace RlHarness.Experiment.Packs;

/// <summary>Sentences in order; each item names a list or a pick, or several that are joined by a comma into one sentence.</summary>
public sealed record SentencePlan
{
    [Allowed(1, 1000)]
    public int Weight { get; init; } = 1;

    public IReadOnlyList<string> Say { get; init; } = [];
}
