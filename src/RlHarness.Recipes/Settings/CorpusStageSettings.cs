using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Recipes.Settings;

/// <summary>Size and behaviour of the synthetic corpus. Rates left out are the paper's before RL.</summary>
public sealed record CorpusStageSettings
{
    [Allowed(20, 10000000)]
    public int Transcripts { get; init; } = 3000;

    [Allowed(20, 10000000)]
    public int PreferencePairs { get; init; } = 1000;

    [Allowed(0, 1)]
    public double TrainingTierFraction { get; init; } = 0.5;

    [Allowed(0, 1)]
    public double ScratchpadFraction { get; init; } = 1;

    [Meaning("Joint rates of outcome and reasoning in the training tier, summing to 1; empty: the paper's.")]
    public IReadOnlyList<BehaviourSettings> Training { get; init; } = [];

    [Meaning("As training, in the unmonitored tier.")]
    public IReadOnlyList<BehaviourSettings> Unmonitored { get; init; } = [];

    /// <summary>As the corpus generator takes it.</summary>
    public CorpusSettings ToCorpus()
    {
        var settings = new CorpusSettings { Transcripts = Transcripts, PreferencePairs = PreferencePairs, TrainingTierFraction = TrainingTierFraction, ScratchpadFraction = ScratchpadFraction };
        if (Training.Count > 0) settings = settings with { Training = [.. Training.Select(b => b.ToBehaviour())] };
        return Unmonitored.Count > 0 ? settings with { Unmonitored = [.. Unmonitored.Select(b => b.ToBehaviour())] } : settings;
    }
}

/// <summary>One cell of a behaviour table.</summary>
public sealed record BehaviourSettings
{
    public Outcome Outcome { get; init; }

    public ReasoningKind Reasoning { get; init; }

    [Allowed(0, 1)]
    public double Probability { get; init; }

    internal Behaviour ToBehaviour() => new(Outcome, Reasoning, Probability);
}
